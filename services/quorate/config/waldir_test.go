package config

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// Goal: a member that is made with --wal-dir has its log there, at each start; a directory that is not empty, and a log that is elsewhere, are
// refused with their names; what was made for a member that did not come to be goes again. Method: directories, and what is in them after.
func TestLogIsPlacedInItsOwnDirectory(t *testing.T) {
	dir := t.TempDir()
	c := Config{DataDir: filepath.Join(dir, "data"), WalDir: filepath.Join(dir, "fast", "wal")}
	forget := c.RememberDirectory()
	require.NoError(t, c.PlaceLog())
	require.NoError(t, c.PlaceLog(), "a second start")
	require.NoError(t, os.WriteFile(filepath.Join(c.DataDir, "member", "log", "file"), nil, 0o600))
	require.FileExists(t, filepath.Join(c.WalDir, "file"))

	moved := c
	moved.WalDir = filepath.Join(dir, "other")
	require.ErrorContains(t, moved.PlaceLog(), "--wal-dir="+moved.WalDir+": the log of this member is in "+c.WalDir+" already")
	require.NoError(t, forget())
	require.NoDirExists(t, c.DataDir)
	require.NoFileExists(t, filepath.Join(c.WalDir, "file"))

	require.NoError(t, os.MkdirAll(filepath.Join(c.DataDir, "member", "log"), 0o700))
	require.ErrorContains(t, c.PlaceLog(), "to move it, stop the member")
	require.NoError(t, os.RemoveAll(c.DataDir))
	require.NoError(t, os.MkdirAll(filepath.Join(c.WalDir, "0.wal"), 0o700))
	require.ErrorContains(t, c.PlaceLog(), "it must be empty")
	require.NoError(t, Config{}.PlaceLog())
}
