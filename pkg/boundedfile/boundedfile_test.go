package boundedfile

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRead(t *testing.T) {
	name := filepath.Join(t.TempDir(), "key")
	_, err := Read(name)
	require.ErrorIs(t, err, os.ErrNotExist)
	require.NoError(t, os.WriteFile(name, []byte("secret\n"), 0o600))
	content, err := Read(name)
	require.NoError(t, err)
	require.Equal(t, "secret\n", string(content))

	content, err = ReadUpTo(name, 7)
	require.NoError(t, err)
	require.Equal(t, "secret\n", string(content))
	_, err = ReadUpTo(name, 6)
	require.ErrorContains(t, err, name+" has more than 6 bytes")
}

// A device that has no end does not keep its reader.
func TestReadOfWhatHasNoEnd(t *testing.T) {
	_, err := ReadUpTo("/dev/zero", 1<<20)
	require.ErrorContains(t, err, "/dev/zero has more than 1048576 bytes")
}
