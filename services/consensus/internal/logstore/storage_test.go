package logstore

import (
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"
	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
)

// TestEntries holds Entries to raft.Storage's contract, from memory and from disk, over a log of 4 to 8 behind a
// truncation at 3.
func TestEntries(t *testing.T) {
	one := uint64(proto.Size(entry(4, 2)))
	cases := []struct {
		name        string
		lo, hi, max uint64
		want        []*raftpb.Entry
		err         error
	}{
		{"below the first", 2, 5, noLimit, nil, raft.ErrCompacted},
		{"the truncated one", 3, 5, noLimit, nil, raft.ErrCompacted},
		{"all", 4, 9, noLimit, run(4, 8, 2), nil},
		{"middle", 5, 7, noLimit, run(5, 6, 2), nil},
		{"nothing", 6, 6, noLimit, nil, nil},
		{"above the last", 7, 10, noLimit, nil, raft.ErrUnavailable},
		{"far above the last", 12, 14, noLimit, nil, raft.ErrUnavailable},
		{"no size still gives one", 5, 9, 0, run(5, 5, 2), nil},
		{"size of one", 5, 9, one, run(5, 5, 2), nil},
		{"size of two", 5, 9, 2 * one, run(5, 6, 2), nil},
		{"size of nearly three", 5, 9, 3*one - 1, run(5, 6, 2), nil},
	}
	s := openMem(t)
	require.NoError(t, s.Append(run(1, 8, 2), nil, true))
	require.NoError(t, s.Truncate(3))
	for _, from := range []string{"memory", "disk"} {
		if from == "disk" {
			forgetTail(s)
		}
		for _, c := range cases {
			t.Run(from+"/"+c.name, func(t *testing.T) {
				got, err := s.Entries(c.lo, c.hi, c.max)
				require.ErrorIs(t, err, c.err)
				requireEntries(t, c.want, got)
			})
		}
	}
}

// TestTerm holds Term to raft.Storage's contract, from memory and from disk: the truncated entry's term is remembered.
func TestTerm(t *testing.T) {
	s := openMem(t)
	require.NoError(t, s.Append(append(run(1, 3, 1), run(4, 6, 5)...), nil, true))
	require.NoError(t, s.Truncate(4))
	for range 2 {
		for index, want := range map[uint64]uint64{4: 5, 5: 5, 6: 5} {
			got, err := s.Term(index)
			require.NoError(t, err)
			require.Equal(t, want, got)
		}
		_, err := s.Term(3)
		require.ErrorIs(t, err, raft.ErrCompacted)
		_, err = s.Term(7)
		require.ErrorIs(t, err, raft.ErrUnavailable)
		forgetTail(s)
	}
}

// TestAppendReplacesConflictingSuffix shows that an append makes the log end at its last entry, at once and after the
// log was opened again.
func TestAppendReplacesConflictingSuffix(t *testing.T) {
	fs := vfs.NewMem()
	s := openAt(t, fs, "log")
	require.NoError(t, s.Append(run(1, 10, 1), nil, true))
	require.NoError(t, s.Append(run(4, 6, 2), nil, true))
	want := append(run(1, 3, 1), run(4, 6, 2)...)
	requireEntries(t, want, all(t, s))
	forgetTail(s)
	requireEntries(t, want, all(t, s))

	require.NoError(t, s.Close())
	s = openAt(t, fs, "log")
	requireEntries(t, want, all(t, s))
	require.NoError(t, s.Append(run(7, 8, 3), nil, true))
	requireEntries(t, append(want, run(7, 8, 3)...), all(t, s))
}

// TestAppendRefusesGaps shows that entries which do not continue the log change nothing.
func TestAppendRefusesGaps(t *testing.T) {
	s := openMem(t)
	require.NoError(t, s.Append(run(1, 3, 1), nil, true))
	require.ErrorIs(t, s.Append(run(5, 6, 1), nil, true), ErrGap)
	require.ErrorIs(t, s.Append([]*raftpb.Entry{entry(4, 1), entry(6, 1)}, nil, true), ErrGap)
	require.ErrorIs(t, s.Truncate(4), ErrGap)
	requireEntries(t, run(1, 3, 1), all(t, s))
}

// TestAppendSkipsTruncatedEntries shows that entries at or below the truncation point are ignored.
func TestAppendSkipsTruncatedEntries(t *testing.T) {
	s := openMem(t)
	require.NoError(t, s.Append(run(1, 5, 1), nil, true))
	require.NoError(t, s.Truncate(5))
	require.NoError(t, s.Append(run(3, 4, 1), nil, true))
	require.Empty(t, all(t, s))
	require.NoError(t, s.Append(run(4, 7, 1), nil, true))
	requireEntries(t, run(6, 7, 1), all(t, s))
}

// TestStateSurvivesReopening writes every kind of record and reads each back from a second Store.
func TestStateSurvivesReopening(t *testing.T) {
	fs := vfs.NewMem()
	s := openAt(t, fs, "log")
	hs, cs, err := s.InitialState()
	require.NoError(t, err)
	require.Nil(t, hs)
	require.NotNil(t, cs)
	_, known := s.Identity()
	require.False(t, known)
	_, known, err = s.Blob("bootstrap")
	require.NoError(t, err)
	require.False(t, known)

	require.NoError(t, s.SetIdentity(Identity{MemberID: 7, ClusterID: 9}))
	require.NoError(t, s.SetBlob("bootstrap", []byte("members")))
	require.NoError(t, s.Append(run(1, 4, 3), hardState(3, 7, 2), true))
	require.NoError(t, s.SetConfState(&raftpb.ConfState{Voters: []uint64{7, 8}}, 2))
	require.NoError(t, s.Truncate(2))
	require.NoError(t, s.Close())
	require.NoError(t, s.Close())

	s = openAt(t, fs, "log")
	hs, cs, err = s.InitialState()
	require.NoError(t, err)
	require.True(t, proto.Equal(hardState(3, 7, 2), hs))
	require.Equal(t, []uint64{7, 8}, cs.GetVoters())
	_, at := s.ConfState()
	require.Equal(t, uint64(2), at)
	id, known := s.Identity()
	require.True(t, known)
	require.Equal(t, Identity{MemberID: 7, ClusterID: 9}, id)
	blob, known, err := s.Blob("bootstrap")
	require.NoError(t, err)
	require.True(t, known)
	require.Equal(t, "members", string(blob))
	requireEntries(t, run(3, 4, 3), all(t, s))
	term, err := s.Term(2)
	require.NoError(t, err)
	require.Equal(t, uint64(3), term)
}

// TestResetRestartsTheLog shows that a reset leaves an empty log behind the snapshot's index, raises the hard state,
// and that the log goes on from there, also after reopening.
func TestResetRestartsTheLog(t *testing.T) {
	fs := vfs.NewMem()
	s := openAt(t, fs, "log")
	require.NoError(t, s.Append(run(1, 10, 1), hardState(1, 5, 8), true))
	require.NoError(t, s.Reset(100, 4, &raftpb.ConfState{Voters: []uint64{5}}))
	require.ErrorIs(t, s.Append(run(11, 12, 4), nil, true), nil)
	require.NoError(t, s.Append(run(101, 102, 4), nil, true))
	for range 2 {
		requireEntries(t, run(101, 102, 4), all(t, s))
		term, err := s.Term(100)
		require.NoError(t, err)
		require.Equal(t, uint64(4), term)
		hs, cs, err := s.InitialState()
		require.NoError(t, err)
		require.True(t, proto.Equal(hardState(4, 0, 100), hs))
		require.Equal(t, []uint64{5}, cs.GetVoters())
		require.NoError(t, s.Close())
		s = openAt(t, fs, "log")
	}
}

// TestSnapshotNeedsAProvider shows both answers of Snapshot.
func TestSnapshotNeedsAProvider(t *testing.T) {
	s := openMem(t)
	_, err := s.Snapshot()
	require.ErrorIs(t, err, raft.ErrSnapshotTemporarilyUnavailable)
	want := &raftpb.Snapshot{Data: []byte("x")}
	s.SetSnapshotFunc(func() (*raftpb.Snapshot, error) { return want, nil })
	got, err := s.Snapshot()
	require.NoError(t, err)
	require.Same(t, want, got)
}

// TestClosedStoreRefuses shows that a closed Store answers with ErrClosed instead of touching a closed database.
func TestClosedStoreRefuses(t *testing.T) {
	s := openMem(t)
	require.NoError(t, s.Close())
	require.ErrorIs(t, s.Append(run(1, 1, 1), nil, true), ErrClosed)
	require.ErrorIs(t, s.Truncate(1), ErrClosed)
	_, err := s.Entries(1, 2, noLimit)
	require.ErrorIs(t, err, ErrClosed)
	_, err = s.LastIndex()
	require.ErrorIs(t, err, ErrClosed)
}

// TestTailIsBounded appends more than the tail may hold and shows that it stays within its limit while older entries
// are read from disk, across the border too.
func TestTailIsBounded(t *testing.T) {
	s := openMem(t)
	const payload = 1 << 20
	const count = 3 * TailBytesMax / payload / 2
	for i := uint64(1); i <= count; i++ {
		e := &raftpb.Entry{Index: new(i), Term: new(uint64(1)), Data: make([]byte, payload)}
		require.NoError(t, s.Append([]*raftpb.Entry{e}, nil, false))
	}
	require.LessOrEqual(t, s.mu.tail.bytes, TailBytesMax)
	require.Less(t, len(s.mu.tail.entries), count)
	require.Greater(t, len(s.mu.tail.entries), 1)
	require.Len(t, all(t, s), count)
}
