package logstore

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/stretchr/testify/require"
	"go.etcd.io/raft/v3/raftpb"

	"github.com/quoratedb/quorate/services/consensus/internal/pebbletuning"
)

// Goal: a sync changes no write-ahead file's length, from the first write on and past the first change of files, after a restart too. Method: synced
// appends of more than Pebble's first memtable, with all lengths looked at after each.
func TestFirstWriteAheadFilesAreWrittenOver(t *testing.T) {
	dir := t.TempDir()
	next := uint64(1)
	for range 2 {
		s, err := Open(Config{Dir: dir})
		require.NoError(t, err)
		seen := map[string]bool{}
		for len(seen) < 2 {
			e := entry(next, 1)
			e.Data = make([]byte, 10<<10)
			require.NoError(t, s.Append([]*raftpb.Entry{e}, nil, true))
			next++
			for name, size := range writeAheadFiles(t, dir) {
				require.Equal(t, int64(pebbletuning.WriteAheadBytes), size, name)
				seen[name] = true
			}
		}
		require.NoError(t, s.Close())
		// The files that are left have what closes them behind what was written.
		s = openAt(t, nil, dir)
		require.Len(t, all(t, s), int(next-1))
		require.NoError(t, s.Close())
	}
}

// Goal: a disk without room for spares has the log open, and no half of one is left. Method: writes to spares fail, at the first and at the second.
func TestOpenWithoutRoomForSpares(t *testing.T) {
	for _, name := range []string{sparePrefix + "0", sparePrefix + "1"} {
		dir := t.TempDir()
		s, err := Open(Config{Dir: dir, FS: errorfs.Wrap(vfs.Default, errorfs.InjectorFunc(func(op errorfs.Op) error {
			if op.Kind == errorfs.OpFileWrite && strings.HasSuffix(op.Path, name) {
				return syscall.ENOSPC
			}
			return nil
		}))})
		require.NoError(t, err)
		require.NoFileExists(t, filepath.Join(dir, name))
		require.NoError(t, s.Append(run(1, 5, 1), hardState(1, 1, 5), true))
		require.NoError(t, s.Close())
		requireEntries(t, run(1, 5, 1), all(t, openAt(t, nil, dir)))
	}
}

// Goal: what a killed process left of a spare gets into no log. Method: an open log's write-ahead file takes a spare's place.
func TestSpareThatWasLeft(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(Config{Dir: dir})
	require.NoError(t, err)
	require.NoError(t, s.Append(run(1, 5, 1), hardState(1, 1, 5), true))
	require.NoError(t, s.Close())
	for path := range writeAheadFiles(t, dir) {
		require.NoError(t, vfs.Copy(vfs.Default, path, filepath.Join(dir, sparePrefix+"0")))
	}
	s = openAt(t, nil, dir)
	for path := range writeAheadFiles(t, dir) {
		content, err := os.ReadFile(path)
		require.NoError(t, err)
		require.True(t, blank(content), "%s of %v", path, writeAheadFiles(t, dir))
	}
	requireEntries(t, run(1, 5, 1), all(t, s))
}

// writeAheadFiles are the lengths of a log's write-ahead files.
func writeAheadFiles(t *testing.T, dir string) map[string]int64 {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*.log"))
	require.NoError(t, err)
	sizes := map[string]int64{}
	for _, path := range paths {
		info, err := os.Stat(path)
		require.NoError(t, err)
		sizes[path] = info.Size()
	}
	return sizes
}
