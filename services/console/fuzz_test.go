package console

import (
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
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
		lease, err := strconv.ParseUint(strings.TrimPrefix(string(key[len(name):]), "/"), 16, 64)
		require.NoError(t, err)
		of, ok := turnName(key, int64(lease))
		require.True(t, ok)
		require.Equal(t, name, of)
	})
}
