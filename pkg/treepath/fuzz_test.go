package treepath

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzMisfits: whatever a key is, it is a path, or a beginning of it says why all that share it are none.
func FuzzMisfits(f *testing.F) {
	for _, key := range []string{"/", "/a/b", "/a//b", "/a/./b", "/..", "a", "", "/a/"} {
		f.Add([]byte(key))
	}
	f.Fuzz(func(t *testing.T, key []byte) {
		if Valid(key) || len(key) == 0 || key[0] != separator {
			return
		}
		shared := Misfits(key)
		require.NotEmpty(t, shared)
		require.True(t, bytes.HasPrefix(key, shared))
		if len(shared) < len(key) {
			require.False(t, Valid(shared), "%q, of %q", shared, key)
			require.False(t, Valid(append(bytes.Clone(shared), 'x')), "%q, of %q", shared, key)
		}
	})
}
