package offline

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/quoratedb/quorate/services/consensus/internal/etcddir"
	"github.com/quoratedb/quorate/services/consensus/internal/snapshotfile"
)

// Goal: what a member's directory holds is in the etcd's, with the member's ids and place in the log, and what etcd has no place for is counted. Method: a
// restored directory is exported; the etcd's files are read by the readers that Migrate stands on, and migrated back.
func TestExportKeepsAll(t *testing.T) {
	from := t.TempDir()
	_, err := Restore(t.Context(), RestoreConfig{Snapshot: Snapshot{Path: file(t, full())}, DataDir: from, Founding: founders})
	require.NoError(t, err)
	to := filepath.Join(t.TempDir(), "etcd")
	e, err := Export(t.Context(), ExportConfig{From: from, DataDir: to})
	require.NoError(t, err)
	require.Equal(t, []int64{8, 3, 2, 1}, []int64{e.Revision, e.Compacted, e.Keys, int64(e.Leases)})
	require.Equal(t, []uint64{7, 2, 1, 1}, []uint64{e.Founding.ClusterID, e.Founding.MemberID, e.Index, e.Term})
	require.Equal(t, []int64{1, 1}, []int64{e.Dirs, e.Expirations})
	require.True(t, e.Guest)
	entries, err := os.ReadDir(to)
	require.NoError(t, err)
	require.Len(t, entries, 1)

	snap, err := etcddir.ReadSnap(filepath.Join(to, "member", "snap"), 100)
	require.NoError(t, err)
	require.Equal(t, uint64(1), snap.Index)
	require.JSONEq(t, `{"peerURLs":["http://b:1"]}`, snap.Root.Children["0"].Children["members"].Children["2"].Children["raftAttributes"].Value)
	log, err := etcddir.OpenLog(t.Context(), filepath.Join(to, "member", "wal"), 2)
	require.NoError(t, err)
	require.Equal(t, []uint64{7, 2, 1}, []uint64{log.ClusterID, log.MemberID, log.Commit})
	require.NoError(t, log.Close())

	back, err := Migrate(t.Context(), MigrateConfig{From: to, DataDir: t.TempDir()})
	require.NoError(t, err)
	require.Equal(t, []int64{8, 3, 2, 1}, []int64{back.Revision, back.Compacted, back.Keys, int64(back.Leases)})
	require.Equal(t, []int{2, 1}, []int{back.Users, back.Roles})
	require.Equal(t, []uint64{1, 1}, []uint64{back.Index, back.Term})
	require.Equal(t, len(founders.Members), len(back.Founding.Members))

	other, err := Export(t.Context(), ExportConfig{From: from, DataDir: t.TempDir(), Name: "a"})
	require.NoError(t, err)
	require.Equal(t, uint64(1), other.Founding.MemberID)
}

// Goal: what cannot be exported says why, and leaves both directories as they were. Method: one thing wrong at a time.
func TestBadExportsAreRefused(t *testing.T) {
	from := t.TempDir()
	_, err := Restore(t.Context(), RestoreConfig{Snapshot: Snapshot{Path: file(t, full())}, DataDir: from, Founding: founders})
	require.NoError(t, err)
	damaged := t.TempDir()
	_, err = Restore(t.Context(), RestoreConfig{Snapshot: Snapshot{Path: file(t, full())}, DataDir: damaged, Founding: founders})
	require.NoError(t, err)
	tables, err := filepath.Glob(filepath.Join(damaged, "member", "state", "*.sst"))
	require.NoError(t, err)
	require.NotEmpty(t, tables)
	for _, table := range tables {
		content, err := os.ReadFile(table)
		require.NoError(t, err)
		content[10] ^= 1
		require.NoError(t, os.WriteFile(table, content, 0o600))
	}
	for name, c := range map[string]struct {
		cfg  ExportConfig
		err  error
		text string
	}{
		"no such member": {ExportConfig{From: from, Name: "c"}, ErrNotMember, "they are a, b"},
		"no data":        {ExportConfig{From: t.TempDir()}, ErrNoData, "there is no"},
		"damaged":        {ExportConfig{From: damaged}, nil, damaged},
		"no member":      {ExportConfig{From: from, Founding: &Founding{}}, nil, "reserved"},
	} {
		t.Run(name, func(t *testing.T) {
			c.cfg.DataDir = filepath.Join(t.TempDir(), "to")
			_, err := Export(t.Context(), c.cfg)
			require.Error(t, err)
			if c.err != nil {
				require.ErrorIs(t, err, c.err)
			}
			require.ErrorContains(t, err, c.text)
			require.NoDirExists(t, c.cfg.DataDir)
		})
	}
	_, err = Export(t.Context(), ExportConfig{From: from, DataDir: from})
	require.ErrorIs(t, err, ErrNotEmpty)
	open(t, from)
	_, err = Export(t.Context(), ExportConfig{From: from, DataDir: filepath.Join(t.TempDir(), "to")})
	require.ErrorIs(t, err, ErrInUse)
}

// Goal: the newest revision is an etcd's newest, whatever it has changed. Method: a state whose newest revisions changed no key.
func TestNewestRevisionIsMarked(t *testing.T) {
	from := t.TempDir()
	st := snapshotfile.State{AppliedIndex: 3, AppliedTerm: 1, Versions: each(version(2, 2, 1, "k", "v")), Ours: &snapshotfile.Ours{Revision: 5}}
	_, err := Restore(t.Context(), RestoreConfig{Snapshot: Snapshot{Path: file(t, st)}, DataDir: from, Founding: founders})
	require.NoError(t, err)
	to := filepath.Join(t.TempDir(), "etcd")
	e, err := Export(t.Context(), ExportConfig{From: from, DataDir: to})
	require.NoError(t, err)
	require.True(t, e.Marked)
	status, err := ReadStatus(t.Context(), Snapshot{Path: filepath.Join(to, "member", "snap", "db"), SkipChecksum: true})
	require.NoError(t, err)
	require.Equal(t, int64(5), status.Revision)
}
