package datadir

import (
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"
	"go.etcd.io/raft/v3/raftpb"

	"github.com/quoratedb/quorate/services/consensus/internal/logstore"
)

// Goal: a member starts when its state has overtaken the commit index that its log stores. Method: a log whose hard state is behind what is
// applied, as a crash leaves it between a flush of the state and the next append.
func TestCommitIndexIsNotBelowApplied(t *testing.T) {
	log, err := logstore.Open(logstore.Config{Dir: "log", FS: vfs.NewMem()})
	require.NoError(t, err)
	defer log.Close()
	number := func(n uint64) *uint64 { return &n }
	var entries []*raftpb.Entry
	for i := range uint64(5) {
		entries = append(entries, &raftpb.Entry{Term: number(3), Index: number(i + 1)})
	}
	require.NoError(t, log.Append(entries, &raftpb.HardState{Term: number(3), Vote: number(7), Commit: number(4)}, true))
	for applied, commit := range map[uint64]uint64{3: 4, 4: 4, 5: 5} {
		hardState, _, err := raftStorage{Storage: log, applied: applied}.InitialState()
		require.NoError(t, err)
		require.Equal(t, commit, hardState.GetCommit())
		require.Equal(t, []uint64{3, 7}, []uint64{hardState.GetTerm(), hardState.GetVote()})
	}
}
