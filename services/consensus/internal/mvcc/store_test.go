package mvcc

import (
	"context"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

func openMem(t *testing.T, fs vfs.FS) *Store {
	t.Helper()
	s, err := Open(Config{Dir: "state", FS: fs})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

func putCommand(key, value string) *consensusv1.Command {
	return &consensusv1.Command{Command: &consensusv1.Command_Put{Put: &consensusv1.PutOp{Key: []byte(key), Value: []byte(value)}}}
}

func deleteCommand(key, end string) *consensusv1.Command {
	return &consensusv1.Command{Command: &consensusv1.Command_DeleteRange{DeleteRange: &consensusv1.DeleteRangeOp{Key: []byte(key), RangeEnd: []byte(end)}}}
}

func compactCommand(revision int64) *consensusv1.Command {
	return &consensusv1.Command{Command: &consensusv1.Command_Compact{Compact: &consensusv1.CompactOp{Revision: revision}}}
}

// applyAll applies the commands in one batch, and commits it.
func applyAll(t *testing.T, s *Store, index uint64, commands ...*consensusv1.Command) {
	t.Helper()
	b := begin(s)
	for _, c := range commands {
		_, _, err := b.Apply(c)
		require.NoError(t, err)
	}
	b.SetApplied(index, 1)
	require.NoError(t, b.Commit())
}

func keysAt(t *testing.T, s *Store, revision int64) map[string]string {
	t.Helper()
	res, _, err := s.Range(context.Background(), &consensusv1.RangeOp{Key: []byte{0}, RangeEnd: []byte{0}, Revision: revision})
	require.NoError(t, err)
	require.Equal(t, int64(len(res.GetKvs())), res.GetCount())
	kvs := map[string]string{}
	for _, kv := range res.GetKvs() {
		kvs[string(kv.GetKey())] = string(kv.GetValue())
	}
	return kvs
}

// A store keeps what was committed over a restart, at every revision that is not compacted: write, reopen, read.
func TestStoreKeepsWhatWasCommitted(t *testing.T) {
	fs := vfs.NewMem()
	s, err := Open(Config{Dir: "state", FS: fs})
	require.NoError(t, err)
	applyAll(t, s, 1, putCommand("a", "1"), putCommand("b", "1"))
	applyAll(t, s, 2, putCommand("a", "2"), deleteCommand("b", ""))
	require.Equal(t, int64(5), s.Revision())
	require.NoError(t, s.Close())

	s = openMem(t, fs)
	index, term := s.Applied()
	require.Equal(t, uint64(2), index)
	require.Equal(t, uint64(1), term)
	durable, err := s.DurableApplied()
	require.NoError(t, err)
	require.Equal(t, uint64(2), durable)
	require.Equal(t, map[string]string{}, keysAt(t, s, 1))
	require.Equal(t, map[string]string{"a": "1"}, keysAt(t, s, 2))
	require.Equal(t, map[string]string{"a": "1", "b": "1"}, keysAt(t, s, 3))
	require.Equal(t, map[string]string{"a": "2", "b": "1"}, keysAt(t, s, 4))
	require.Equal(t, map[string]string{"a": "2"}, keysAt(t, s, 0))

	commits, through, err := s.History(t.Context(), 2, 0, nil, nil, 0)
	require.NoError(t, err)
	require.Equal(t, int64(5), through)
	require.Len(t, commits, 4)
	require.Equal(t, consensusv1.Event_DELETE, commits[3].GetEvents()[0].GetType())
	require.Equal(t, "1", string(commits[3].GetEvents()[0].GetPrevKv().GetValue()))
}

// Compaction hides old revisions at once and removes them in the background: compact, wait, look for the rows.
func TestCompactionRemovesWhatItHides(t *testing.T) {
	s := openMem(t, vfs.NewMem())
	applyAll(t, s, 1, putCommand("a", "1"), putCommand("a", "2"), putCommand("b", "1"), deleteCommand("b", ""), putCommand("a", "3"))
	applyAll(t, s, 2, compactCommand(6))
	_, _, err := s.Range(context.Background(), &consensusv1.RangeOp{Key: []byte("a"), Revision: 5})
	require.ErrorIs(t, err, errdefs.ErrCompacted)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- s.RunCompaction(ctx) }()
	require.NoError(t, s.WaitCompacted(context.Background()))
	cancel()
	require.NoError(t, <-done)
	rows := 0
	lower, upper := spaceVersion.bounds()
	require.NoError(t, s.each(lower, upper, func(_, _ []byte) error { rows++; return nil }))
	require.Equal(t, 1, rows)
	require.Equal(t, map[string]string{"a": "3"}, keysAt(t, s, 0))
}
