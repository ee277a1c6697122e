package console

import (
	"bytes"
	"strconv"
	"testing"
)

// FuzzTurn: whatever somebody calls a key, it is taken for the turn of a lock only if it is one of the lease that it names.
func FuzzTurn(f *testing.F) {
	f.Add([]byte("locks/a/694d8f3e"))
	f.Add([]byte("a/0694"))
	f.Add([]byte("/1"))
	f.Add([]byte("a/b/10000000000000000"))
	f.Fuzz(func(t *testing.T, key []byte) {
		name, ok := likeTurn(key)
		if !ok {
			return
		}
		lease, err := strconv.ParseUint(string(bytes.TrimPrefix(key[len(name):], []byte("/"))), 16, 64)
		if err != nil {
			t.Fatal(err)
		}
		if of, ok := turnName(key, int64(lease)); !ok || !bytes.Equal(of, name) {
			t.Fatalf("%q is a turn of %q, or of none, and not of %q", key, of, name)
		}
	})
}
