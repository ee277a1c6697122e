package replication

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/stretchr/testify/require"
	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"

	"github.com/quoratedb/quorate/services/consensus/internal/logstore"
)

// appending is the log's loop on a log whose syncs of the write-ahead file are counted.
type appending struct {
	*logLoop
	store    *logstore.Store
	syncs    atomic.Int64
	answered int
}

func newAppending(t *testing.T) *appending {
	t.Helper()
	a := &appending{}
	fs := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpFileSyncData && strings.HasSuffix(op.Path, ".log") {
			a.syncs.Add(1)
		}
		return nil
	}))
	log, err := logstore.Open(logstore.Config{Dir: "log", FS: fs})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, log.Close()) })
	a.store = log
	a.logLoop = &logLoop{
		log: log, inbox: newInbox(), truncate: make(chan uint64, 1), reached: &reached{}, keptLong: stoppedTimer(), metrics: NewMetrics(), synced: func([]*raftpb.Entry, time.Time, time.Time) {},
		deliver: func(answers []*raftpb.Message) { a.answered += len(answers) },
	}
	return a
}

// stored is the commit index that the log has.
func (a *appending) stored(t *testing.T) uint64 {
	t.Helper()
	hardState, _, err := a.store.InitialState()
	require.NoError(t, err)
	return hardState.GetCommit()
}

// toAppend is what raft asks of a follower's appender: up to an entry, and to answer the leader then.
func toAppend(term, vote, commit uint64, entries ...uint64) *raftpb.Message {
	m := &raftpb.Message{
		Type: raftpb.MsgStorageAppend.Enum(), Term: new(term), Vote: new(vote), Commit: new(commit),
		Responses: []*raftpb.Message{{Type: raftpb.MsgAppResp.Enum()}},
	}
	for _, index := range entries {
		m.Entries = append(m.Entries, &raftpb.Entry{Index: new(index), Term: new(term)})
	}
	return m
}

// What an answer promises is synced before it is given, and nothing else is: entries, a term and a vote are, a commit index
// is not and is answered all the same. The syncs of the write-ahead file are counted message by message.
func TestAppenderSyncsWhatIsPromised(t *testing.T) {
	a := newAppending(t)
	for _, step := range []struct {
		what    string
		message *raftpb.Message
		syncs   int64
	}{
		{"a vote", toAppend(1, 3, 0), 1},
		{"entries", toAppend(1, 3, 0, 1, 2), 1},
		{"a commit index", toAppend(1, 3, 2), 0},
		{"the next one with entries", toAppend(1, 3, 2, 3), 1},
		{"only an answer", &raftpb.Message{Responses: []*raftpb.Message{{Type: raftpb.MsgAppResp.Enum()}}}, 0},
		{"a commit index", toAppend(1, 3, 3), 0},
		{"a term", toAppend(2, 0, 3), 1},
		{"a vote in it", toAppend(2, 1, 3), 1},
	} {
		syncs, answered := a.syncs.Load(), a.answered
		require.NoError(t, a.append(t.Context(), []*raftpb.Message{step.message}), step.what)
		require.Equal(t, step.syncs, a.syncs.Load()-syncs, step.what)
		require.Equal(t, answered+1, a.answered, step.what)
	}
	hardState, _, err := a.store.InitialState()
	require.NoError(t, err)
	require.Equal(t, []uint64{2, 1, 3}, []uint64{hardState.GetTerm(), hardState.GetVote(), hardState.GetCommit()})
}

// A change of members reaches the applier after the commit index that covers it is durable, and nothing overtakes it: what raft
// has applied goes by way of the log's writer from there on, until that has passed it on.
func TestMemberChangesWaitForTheCommitIndex(t *testing.T) {
	a := newAppending(t)
	toApply := func(index uint64, kind raftpb.EntryType) *raftpb.Message {
		return &raftpb.Message{
			Type: raftpb.MsgStorageApply.Enum(), To: new(raft.LocalApplyThread),
			Entries: []*raftpb.Entry{{Index: new(index), Type: kind.Enum()}},
		}
	}
	var applied []uint64
	a.apply = func(m *raftpb.Message) {
		require.LessOrEqual(t, m.GetEntries()[0].GetIndex(), a.stored(t))
		applied = append(applied, m.GetEntries()[0].GetIndex())
	}
	s := &stepper{}
	s.route(toApply(1, raftpb.EntryNormal))
	require.Len(t, s.out.toApplier, 1)
	require.NoError(t, a.append(t.Context(), []*raftpb.Message{toAppend(1, 3, 1, 1, 2, 3)}))
	a.inbox.Put(toAppend(1, 3, 3))
	s.route(toApply(2, raftpb.EntryConfChange))
	s.route(toApply(3, raftpb.EntryNormal)) // it is behind one that is held back
	require.Len(t, s.out.toLog, 2)
	a.inbox.Put(s.out.toLog...)
	before := a.syncs.Load()
	require.NoError(t, a.append(t.Context(), a.inbox.Take(nil)))
	require.Equal(t, []uint64{2, 3}, applied)
	require.EqualValues(t, 1, a.syncs.Load()-before)
	s.done = a.reached.progress()
	s.route(toApply(4, raftpb.EntryNormal))
	require.Len(t, s.out.toApplier, 2)
}

// What one sync waits for is bounded by bytes, however many messages wait: an append takes as many as come to appendBytesMax.
func TestAppendIsBoundedByBytes(t *testing.T) {
	var messages []*raftpb.Message
	for index := uint64(1); index <= 12; index++ {
		m := toAppend(1, 3, 0, index)
		m.Entries[0].Data = make([]byte, appendBytesMax/3+1)
		messages = append(messages, m)
	}
	require.Equal(t, 3, mergeable(messages))
}

// A commit index behind which no entries come is in the log after a while, and at the end: the first waits for a lull, the
// second for a stop, on a fake clock.
func TestAppenderWritesTheCommitIndexOfALull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAppending(t)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- a.run(ctx) }()
		send := func(m *raftpb.Message) {
			a.inbox.Put(m)
			synctest.Wait()
		}
		send(toAppend(1, 3, 0, 1))
		send(toAppend(1, 3, 1))
		require.Zero(t, a.stored(t))
		<-time.After(commitKeptMax)
		synctest.Wait()
		require.Equal(t, uint64(1), a.stored(t))

		send(toAppend(1, 3, 1, 2))
		send(toAppend(1, 3, 2))
		require.Equal(t, uint64(1), a.stored(t))
		stop()
		require.NoError(t, <-ended)
		require.Equal(t, uint64(2), a.stored(t))
	})
}
