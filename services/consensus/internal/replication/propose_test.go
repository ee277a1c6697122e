package replication

import (
	"log/slog"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
)

// The log of a leader that nobody follows does not grow without bound: commands beyond it wait in line, where they are
// forgotten with their callers, and go on once there is room. The stepper is led by hand, with followers that vote and
// answer no append until the end.
func TestUncommittedCommandsAreBounded(t *testing.T) {
	r := leading(t)
	command := &Proposal{encoded: make([]byte, 8<<20)}
	const fit = uncommittedBytesMax / (8 << 20)
	var all []*Proposal
	for range fit + 4 {
		p := &Proposal{encoded: command.encoded, size: int64(len(command.encoded)), done: make(chan outcome, 1)}
		require.NoError(t, r.waiting.add(p))
		all = append(all, p)
	}
	for range all {
		r.propose(time.Now())
		r.settle(t)
	}
	require.True(t, r.full)
	require.False(t, r.mayPropose())
	inLine := r.waiting.inLineCount()
	require.InDelta(t, 4, inLine, 1)
	r.waiting.forget(all[len(all)-1])
	require.Equal(t, inLine-1, r.waiting.inLineCount())

	last := r.node.Status().Progress[r.id].Match
	require.NoError(t, r.step(&raftpb.Message{Type: raftpb.MsgAppResp.Enum(), From: new(uint64(2)), To: new(r.id), Term: new(r.position.term), Index: new(last)}, time.Now()))
	r.settle(t)
	require.True(t, r.mayPropose())
	for range inLine {
		r.propose(time.Now())
		r.settle(t)
	}
	require.Zero(t, r.waiting.inLineCount())
}

// Goal: commands that come while leadership is handed over are not refused: they go to the next leader, or into this member's log where that
// does not take it. Method: a leader is told to hand over; its log and the other members are the test.
func TestCommandsWaitForTheNextLeader(t *testing.T) {
	handingOver := func(t *testing.T) byHand {
		r := leading(t)
		last := r.node.Status().Progress[r.id].Match
		require.NoError(t, r.step(&raftpb.Message{
			Type: raftpb.MsgAppResp.Enum(), From: new(uint64(2)), To: new(r.id), Term: new(r.position.term), Index: new(last),
		}, time.Now()))
		r.settle(t)
		r.node.TransferLeader(2)
		require.NoError(t, r.waiting.add(&Proposal{encoded: []byte("c"), size: 1, done: make(chan outcome, 1)}))
		r.propose(time.Now())
		require.Empty(t, r.ready().refused)
		require.Equal(t, 1, r.waiting.inLineCount())
		require.False(t, r.mayPropose())
		return r
	}
	t.Run("another leads", func(t *testing.T) {
		r := handingOver(t)
		require.NoError(t, r.step(&raftpb.Message{Type: raftpb.MsgHeartbeat.Enum(), From: new(uint64(2)), To: new(r.id), Term: new(r.position.term + 1)}, time.Now()))
		r.ready()
		require.True(t, r.mayPropose())
		r.propose(time.Now())
		require.True(t, slices.ContainsFunc(r.ready().toPeers, func(m *raftpb.Message) bool {
			return m.GetType() == raftpb.MsgProp && m.GetTo() == 2
		}))
		require.Zero(t, r.waiting.inLineCount())
	})
	t.Run("nobody takes it", func(t *testing.T) {
		r := handingOver(t)
		for r.waiting.inLineCount() > 0 {
			r.tick()
			if r.mayPropose() {
				r.propose(time.Now())
			}
			require.Empty(t, r.ready().refused)
		}
		require.Equal(t, r.id, r.position.leader)
	})
}

// byHand is a stepper whose log and applier are the test.
type byHand struct {
	*stepper
	waiting *proposals
	storage *raft.MemoryStorage
}

// storageOf is a log that begins behind entry 1, of term 1, which made some voters.
func storageOf(t *testing.T, voters ...uint64) *raft.MemoryStorage {
	t.Helper()
	storage := raft.NewMemoryStorage()
	require.NoError(t, storage.ApplySnapshot(&raftpb.Snapshot{Metadata: &raftpb.SnapshotMetadata{
		Index: new(uint64(1)), Term: new(uint64(1)), ConfState: &raftpb.ConfState{Voters: voters},
	}}))
	require.NoError(t, storage.SetHardState(&raftpb.HardState{Term: new(uint64(1)), Commit: new(uint64(1))}))
	return storage
}

// stepperOf is the stepper of a member that nobody is connected with.
func stepperOf(t *testing.T, o Config, c commands) *stepper {
	t.Helper()
	o.Logger = slog.New(slog.DiscardHandler)
	node, err := raft.NewRawNode(raftConfig(o, 1))
	require.NoError(t, err)
	return newStepper(node, o.ID, settings{10 * time.Millisecond, o.ElectionTicks}, c, func(uint64) bool { return false })
}

// leading returns the leader of three, whose followers have only voted.
func leading(t *testing.T) byHand {
	t.Helper()
	storage, waiting := storageOf(t, 1, 2, 3), newProposals(1, math.MaxInt64)
	r := byHand{stepperOf(t, Config{ID: 1, ElectionTicks: 10, Storage: storage}, waiting), waiting, storage}
	require.NoError(t, r.node.Campaign())
	r.settle(t)
	for _, vote := range []raftpb.MessageType{raftpb.MsgPreVoteResp, raftpb.MsgVoteResp} {
		require.NoError(t, r.step(&raftpb.Message{Type: vote.Enum(), From: new(uint64(2)), To: new(uint64(1)), Term: new(uint64(2))}, time.Now()))
		r.settle(t)
	}
	require.Equal(t, r.id, r.position.leader)
	return r
}

// settle appends and applies, in no time, what raft has to.
func (r byHand) settle(t *testing.T) {
	t.Helper()
	for {
		out := r.ready()
		work := slices.Concat(out.toLog, out.toApplier)
		if len(work) == 0 {
			return
		}
		for _, m := range work {
			if m.GetType() == raftpb.MsgStorageAppend && len(m.GetEntries()) > 0 {
				require.NoError(t, r.storage.Append(m.GetEntries()))
				r.done.appended++
			}
			for _, response := range m.GetResponses() {
				if response.GetTo() == r.id {
					require.NoError(t, r.step(response, time.Now()))
				}
			}
		}
	}
}
