package owneronly_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"github.com/quoratedb/quorate/services/consensus/internal/owneronly"
)

// However a file comes to be, received snapshots' included, it is its owner's alone.
func TestFilesAreTheirOwnersAlone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made")
	require.NoError(t, owneronly.FS.MkdirAll(dir, 0o755))
	path := func(name string) string { return filepath.Join(dir, name) }

	created, err := owneronly.FS.Create(path("created"), vfs.WriteCategoryUnspecified)
	require.NoError(t, err)
	require.NoError(t, created.Close())
	opened, err := owneronly.FS.OpenReadWrite(path("opened"), vfs.WriteCategoryUnspecified)
	require.NoError(t, err)
	require.NoError(t, opened.Close())
	require.NoError(t, os.WriteFile(path("old"), nil, 0o644))
	reused, err := owneronly.FS.ReuseForWrite(path("old"), path("reused"), vfs.WriteCategoryUnspecified)
	require.NoError(t, err)
	require.NoError(t, reused.Close())
	lock, err := owneronly.FS.Lock(path("LOCK"))
	require.NoError(t, err)
	require.NoError(t, lock.Close())

	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, entries, 4)
	for _, entry := range entries {
		info, err := entry.Info()
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode(), entry.Name())
	}
	info, err := os.Stat(dir)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o700), info.Mode().Perm())
}
