package replication

import (
	"log/slog"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
)

// Goal: a member that is alone and has just started answers no read from behind what it acknowledged before ("a read after a
// restart misses the last write"). Method: a log that goes on behind the commit index on disk, as a crash leaves it, and a read
// that is asked as soon as the member leads, before anything is written.
func TestReadOfALoneMemberAfterARestartSeesItsLog(t *testing.T) {
	storage := storageOf(t, 1)
	begin, err := storage.LastIndex()
	require.NoError(t, err)
	term := uint64(1)
	var kept []*raftpb.Entry
	for i := range uint64(3) {
		kept = append(kept, &raftpb.Entry{Type: raftpb.EntryNormal.Enum(), Term: new(term), Index: new(begin + 1 + i), Data: []byte("acknowledged")})
	}
	require.NoError(t, storage.Append(kept))
	require.NoError(t, storage.SetHardState(&raftpb.HardState{Term: new(term), Vote: new(uint64(1)), Commit: new(begin)}))
	node, err := raft.NewRawNode(raftConfig(Config{ID: 1, ElectionTicks: 10, Storage: storage, Logger: slog.New(slog.DiscardHandler)}, begin))
	require.NoError(t, err)
	s := newStepper(node, 1, settings{10 * time.Millisecond, 10}, newProposals(1, math.MaxInt64), func(uint64) bool { return false })
	require.NoError(t, node.Campaign())

	writer := logWriter{hardState: &raftpb.HardState{}, written: &raftpb.HardState{}}
	for range 10 {
		out := s.ready()
		if s.position.leader == 1 {
			node.ReadIndex([]byte("read")) // the first entry of its term is on its way to the log
			reads := s.ready().reads
			require.Len(t, reads, 1)
			require.Equal(t, begin+4, reads[0].Index, "behind what was acknowledged before the restart")
			return
		}
		write, _ := writer.next(out.toLog) // the vote, with which it leads
		require.NoError(t, storage.SetHardState(write.hardState))
		writer.wrote(write)
		for _, answer := range write.answers {
			require.NoError(t, s.step(answer, time.Unix(0, 0)))
		}
	}
	require.Fail(t, "it does not lead")
}
