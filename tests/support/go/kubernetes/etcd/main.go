// Command etcd is the server of go.etcd.io/etcd, whose own main package has the name of its major version.
package main

import (
	"os"

	"go.etcd.io/etcd/server/v3/etcdmain"
)

func main() { etcdmain.Main(os.Args) }
