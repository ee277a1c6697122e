package consensus

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"
	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
)

// questions is a transport that keeps the questions for a read index.
type questions struct {
	noPeers
	mu struct {
		sync.Mutex
		asked []*raftpb.Message
	}
}

func (q *questions) Send(messages []*raftpb.Message) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, m := range messages {
		if m.GetType() == raftpb.MsgReadIndex {
			q.mu.asked = append(q.mu.asked, m)
		}
	}
}

func (q *questions) all() []*raftpb.Message {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.mu.asked
}

// following is the replica of a member that follows member 1. Raft's own election timer is set to never.
func following(t *testing.T, id uint64, voters []uint64, electionTicks int, transport Transport) *replica {
	t.Helper()
	storage := raft.NewMemoryStorage()
	storage.SetHardState(&raftpb.HardState{Term: new(uint64(1)), Commit: new(uint64(1))})
	require.NoError(t, storage.ApplySnapshot(&raftpb.Snapshot{Metadata: &raftpb.SnapshotMetadata{
		Index: new(uint64(1)), Term: new(uint64(1)), ConfState: &raftpb.ConfState{Voters: voters},
	}}))
	cfg := testConfig(vfs.NewMem()).withDefaults()
	cfg.MemberID, cfg.ElectionTicks, cfg.Transport = id, electionTicks, transport
	node, err := raft.NewRawNode(&raft.Config{
		ID: id, ElectionTick: 1 << 20, HeartbeatTick: 1, Storage: storage, AsyncStorageWrites: true, MaxSizePerMsg: 1 << 20, MaxInflightMsgs: 8,
		CheckQuorum: true, PreVote: true, Logger: raftLogger{cfg.Logger},
	})
	require.NoError(t, err)
	r := newReplica(node, cfg, cfg.Logger)
	r.reads, r.appender, r.applier = newReadIndexes(1), newAppender(nil, nil), &applier{}
	require.NoError(t, node.Step(&raftpb.Message{Type: raftpb.MsgHeartbeat.Enum(), From: new(uint64(1)), To: new(id), Term: new(uint64(1))}))
	r.publish()
	return r
}

// Reads that come while a question for a read index is out share the next one, which is asked when the first is answered,
// or a little later where it is not: a follower's questions are counted on a fake clock.
func TestReadsGatherBehindAQuestion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		transport := &questions{}
		r := following(t, 2, []uint64{1, 2, 3}, 1<<20, transport)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- r.run(ctx) }()

		var served atomic.Int64
		read := func() {
			go func() {
				if r.reads.wait(ctx) == nil {
					served.Add(1)
				}
			}()
			synctest.Wait()
		}
		answer := func(question *raftpb.Message) {
			r.inbox.Put(&raftpb.Message{
				Type: raftpb.MsgReadIndexResp.Enum(), From: new(uint64(1)), To: new(uint64(2)), Term: new(uint64(1)),
				Index: new(uint64(1)), Entries: question.GetEntries(),
			})
			synctest.Wait()
		}

		read()
		require.Len(t, transport.all(), 1, "nothing to wait for")
		read()
		read()
		require.Len(t, transport.all(), 1)
		answer(transport.all()[0])
		require.EqualValues(t, 1, served.Load(), "the answer may be older than the reads that came later")
		require.Len(t, transport.all(), 2, "those that gathered")

		read()
		<-time.After(readSpacing)
		synctest.Wait()
		require.Len(t, transport.all(), 3, "the question before has had its time")
		answer(transport.all()[2])
		require.EqualValues(t, 2, served.Load())
		answer(transport.all()[1])
		require.EqualValues(t, 4, served.Load())
		stop()
		require.NoError(t, <-ended)
	})
}
