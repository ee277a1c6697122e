package logstore

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"
	"go.etcd.io/raft/v3/raftpb"
)

// dumped is what a Dump tells of a log.
type dumped struct {
	head    Head
	entries []uint64
	damage  []string
}

func dump(t *testing.T, dir string, from, to uint64) dumped {
	t.Helper()
	before := contentsOf(t, dir)
	var got dumped
	d := Dump{
		Head: func(h Head) error { got.head = h; return nil },
		Entry: func(e *raftpb.Entry, bytes int) error {
			require.Greater(t, bytes, len(e.GetData()))
			got.entries = append(got.entries, e.GetIndex())
			return nil
		},
		Damage: func(one Damage) error {
			got.damage = append(got.damage, fmt.Sprintf("%d-%d: %v", one.First, one.Last, one.Err))
			return nil
		},
	}
	require.NoError(t, d.Read(t.Context(), dir, from, to))
	require.Equal(t, before, contentsOf(t, dir))
	return got
}

// contentsOf are the files of a directory.
func contentsOf(t *testing.T, dir string) map[string]string {
	t.Helper()
	contents := map[string]string{}
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, entry := range entries {
		content, err := os.ReadFile(filepath.Join(dir, entry.Name()))
		require.NoError(t, err)
		contents[entry.Name()] = string(content)
	}
	return contents
}

func indexes(from, to uint64) (all []uint64) {
	for i := from; i <= to; i++ {
		all = append(all, i)
	}
	return all
}

// Goal: a log that is whole is told whole, from where and to where it is asked for, and nothing is written. Method: a log that was truncated, replaced
// in part, and closed.
func TestDump(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "log")
	s := openAt(t, vfs.Default, dir)
	require.NoError(t, s.SetIdentity(Identity{ClusterID: 7, MemberID: 9}))
	require.NoError(t, s.Append(run(1, 40, 1), hardState(1, 9, 30), true))
	require.NoError(t, s.Append(run(36, 38, 2), hardState(2, 9, 30), true))
	require.NoError(t, s.Truncate(10))
	require.NoError(t, s.Close())

	got := dump(t, dir, 0, 0)
	require.Empty(t, got.damage)
	require.Equal(t, indexes(11, 38), got.entries)
	require.Equal(t, Identity{ClusterID: 7, MemberID: 9}, got.head.Identity)
	require.Equal(t, []uint64{10, 1, 2, 30}, []uint64{got.head.Truncated, got.head.TruncatedTerm, got.head.HardState.GetTerm(), got.head.HardState.GetCommit()})
	require.Equal(t, indexes(20, 22), dump(t, dir, 20, 22).entries)
	require.Empty(t, dump(t, dir, 50, 0).entries)
}

// Goal: a damaged place of a write-ahead file takes the entries that it is in, and is named; those before and behind are told. Method: a byte of each of
// some records is turned; then the file's manifest goes, too.
func TestDumpGoesOnBehindDamagedRecords(t *testing.T) {
	dir := writeLog(t, 60, 900)
	path := newestWALPath(t, dir)
	starts, _ := chunksOf(t, path)
	for _, i := range []int{20, 40} {
		damageAt(t, path, starts[i]+walHeaderSize+30, flip)
	}
	_, err := Open(Config{Dir: dir})
	require.ErrorIs(t, err, ErrCorrupt)

	got := dump(t, dir, 0, 0)
	require.NotEmpty(t, got.damage)
	require.Contains(t, got.damage[0], newestWALPath(t, dir))
	require.Equal(t, uint64(1), got.entries[0])
	require.Equal(t, uint64(60), got.entries[len(got.entries)-1])
	require.Len(t, got.entries, 58)

	manifests, err := filepath.Glob(filepath.Join(dir, "MANIFEST-*"))
	require.NoError(t, err)
	for _, manifest := range manifests {
		require.NoError(t, os.Remove(manifest))
	}
	require.Len(t, dump(t, dir, 0, 0).entries, 58)
}

// Goal: a damaged block of a table takes the entries that it holds, and is named; those before and behind are told. Method: a log of which most lies in
// tables, and a byte in the middle of one.
func TestDumpGoesOnBehindDamagedTables(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "log")
	s := openAt(t, vfs.Default, dir)
	for index := uint64(1); index <= 400; index++ {
		e := &raftpb.Entry{Index: new(index), Term: new(uint64(1)), Data: make([]byte, 8<<10)}
		require.NoError(t, s.Append([]*raftpb.Entry{e}, nil, false))
	}
	require.NoError(t, s.engine.db.Flush())
	require.NoError(t, s.Close())
	tables, err := filepath.Glob(filepath.Join(dir, "*.sst"))
	require.NoError(t, err)
	require.NotEmpty(t, tables)
	info, err := os.Stat(tables[0])
	require.NoError(t, err)
	damageAt(t, tables[0], int(info.Size()/2), flip)

	got := dump(t, dir, 0, 0)
	require.Len(t, got.damage, 1)
	require.Greater(t, len(got.entries), 350)
	require.Less(t, len(got.entries), 400)
	require.Equal(t, []uint64{1, 400}, []uint64{got.entries[0], got.entries[len(got.entries)-1]})
}
