package durabledir

import (
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"
)

// write leaves a synced file in a directory.
func write(t *testing.T, fsys vfs.FS, dir string) {
	t.Helper()
	f, err := fsys.Create(fsys.PathJoin(dir, "file"), vfs.WriteCategoryUnspecified)
	require.NoError(t, err)
	require.NoError(t, f.Sync())
	require.NoError(t, f.Close())
	require.NoError(t, Sync(fsys, dir))
}

// Goal: a directory whose parents were missing too survives a crash, with what was synced in it. Method: a file system that loses what was
// not synced.
func TestMadeDirectorySurvives(t *testing.T) {
	disk := vfs.NewCrashableMem()
	require.NoError(t, Make(disk, "/a/b/c"))
	write(t, disk, "/a/b/c")
	require.NoError(t, Make(disk, "/a/b/c"), "it is there")
	crashed := disk.CrashClone(vfs.CrashCloneCfg{})
	_, err := crashed.Stat("/a/b/c/file")
	require.NoError(t, err)
}

// Goal: a renamed directory has its new name after a crash, and what had that name is gone. Method: as above.
func TestReplacementSurvives(t *testing.T) {
	disk := vfs.NewCrashableMem()
	for _, dir := range []string{"/a/new", "/a/old"} {
		require.NoError(t, Make(disk, dir))
	}
	write(t, disk, "/a/new")
	require.NoError(t, Replace(disk, "/a/new", "/a/old"))
	crashed := disk.CrashClone(vfs.CrashCloneCfg{})
	_, err := crashed.Stat("/a/old/file")
	require.NoError(t, err)
	names, err := crashed.List("/a")
	require.NoError(t, err)
	require.Equal(t, []string{"old"}, names)
}
