// Package identity builds the canonical bytes that identify writers, streams and series.
package identity

import (
	"encoding/binary"

	"github.com/cespare/xxhash/v2"

	"batchtel/runrollup/internal/wire"
)

// Key is a 128-bit hash of an identity: two 64-bit xxHash values with different seeds. With 10 million keys the chance
// that two of them are equal is below 1e-24.
type Key [16]byte

const secondSeed = 0x9e3779b97f4a7c15

// Hash returns the key of the canonical bytes b.
func Hash(b []byte) Key {
	var digest xxhash.Digest
	digest.ResetWithSeed(secondSeed)
	_, _ = digest.Write(b) // Write of a Digest never fails.
	var key Key
	binary.LittleEndian.PutUint64(key[:8], xxhash.Sum64(b))
	binary.LittleEndian.PutUint64(key[8:], digest.Sum64())
	return key
}

// ReadKey reads the 16 bytes of a key.
func ReadKey(r *wire.Reader) Key {
	var key Key
	copy(key[:], r.Bytes(len(key)))
	return key
}
