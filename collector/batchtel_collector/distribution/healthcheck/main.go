// Healthcheck exits with 0 if the health page of the collector in the same container answers 200, else with 1. The image
// has no shell and no HTTP client, and the collector has no command for it.
package main

import (
	"fmt"
	"net/http"
	"os"
	"time"
)

func main() {
	address := "http://127.0.0.1:13133/"
	if len(os.Args) > 1 {
		address = os.Args[1]
	}
	// No proxy: HTTP_PROXY in the container is for the stores.
	client := http.Client{Timeout: 4 * time.Second, Transport: &http.Transport{}}
	answer, err := client.Get(address)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		fmt.Fprintln(os.Stderr, address, answer.Status)
		os.Exit(1)
	}
}
