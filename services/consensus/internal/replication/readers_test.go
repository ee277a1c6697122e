package replication

import (
	"context"
	"log/slog"
	"math"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.etcd.io/raft/v3/raftpb"

	"github.com/quoratedb/quorate/services/consensus/internal/mailbox"
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

// following is the loop of a member that follows member 1. Raft's own election timer is set to never.
func following(t *testing.T, id uint64, voters []uint64, electionTicks int, transport Transport) *raftLoop {
	t.Helper()
	waiting := newPending(newProposals(1, math.MaxInt64))
	s := stepperOf(t, Config{ID: id, ElectionTicks: 1 << 20, Storage: storageOf(t, voters...)}, waiting)
	s.settings.electionTicks = electionTicks
	require.NoError(t, s.step(&raftpb.Message{Type: raftpb.MsgHeartbeat.Enum(), From: new(uint64(1)), To: new(id), Term: new(uint64(1))}, time.Now()))
	s.ready()
	return &raftLoop{
		stepper: s, ticks: systemTicks, transport: transport, logger: slog.New(slog.DiscardHandler),
		pending: waiting, readers: newReaders(newReadIndexes(1, 0)), readsDue: stoppedTimer(),
		inbox: newInbox(), toLog: newInbox(), toApplier: newInbox(), confChanges: make(chan confChange), tasks: mailbox.New[func(*stepper)](),
		reached: &reached{}, published: newPublished(), metrics: NewMetrics(),
	}
}

func systemTicks(interval time.Duration) (<-chan time.Time, func()) {
	ticker := time.NewTicker(interval)
	return ticker.C, ticker.Stop
}

// noPeers is the transport of a member that has nobody to talk to.
type noPeers struct{}

func (noPeers) Send([]*raftpb.Message)               {}
func (noPeers) ActiveSince(uint64) (time.Time, bool) { return time.Time{}, false }

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
				if r.readers.wait(ctx) == nil {
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
