package peer

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"
)

// What a snapshot brings is not for other users of the host either.
func TestReceivedFilesAreTheirOwnersAlone(t *testing.T) {
	cfg := Config{}.withDefaults()
	path := filepath.Join(t.TempDir(), "received")
	f, err := cfg.FS.Create(path, vfs.WriteCategoryUnspecified)
	require.NoError(t, err)
	require.NoError(t, f.Close())
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode())
}
