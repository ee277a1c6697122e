package logstore

import (
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"
	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
)

const noLimit = 1 << 62

func openAt(t *testing.T, fs vfs.FS, dir string) *Store {
	t.Helper()
	s, err := Open(Config{Dir: dir, FS: fs})
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func openMem(t *testing.T) *Store {
	t.Helper()
	return openAt(t, vfs.NewMem(), "log")
}

func entry(index, term uint64) *raftpb.Entry {
	return &raftpb.Entry{Index: new(index), Term: new(term), Data: []byte{byte(index), byte(term)}}
}

// run returns the entries first to last, all of one term.
func run(first, last, term uint64) []*raftpb.Entry {
	var entries []*raftpb.Entry
	for i := first; i <= last; i++ {
		entries = append(entries, entry(i, term))
	}
	return entries
}

func hardState(term, vote, commit uint64) *raftpb.HardState {
	return &raftpb.HardState{Term: new(term), Vote: new(vote), Commit: new(commit)}
}

// requireEntries compares messages by value.
func requireEntries(t *testing.T, want, got []*raftpb.Entry, where ...any) {
	t.Helper()
	require.Len(t, got, len(want), where...)
	for i := range want {
		require.True(t, proto.Equal(want[i], got[i]), "entry %v, got %v %v", want[i], got[i], where)
	}
}

// all reads the whole retained log.
func all(t *testing.T, s *Store) []*raftpb.Entry {
	t.Helper()
	first, err := s.FirstIndex()
	require.NoError(t, err)
	last, err := s.LastIndex()
	require.NoError(t, err)
	if last < first {
		return nil
	}
	entries, err := s.Entries(first, last+1, noLimit)
	require.NoError(t, err)
	return entries
}

// forgetTail makes the Store read from disk.
func forgetTail(s *Store) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.tail.clear()
}
