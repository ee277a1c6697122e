package consensus

import (
	"context"
	"math"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"
	"go.etcd.io/raft/v3/raftpb"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/pkg/problem"
	"github.com/quoratedb/quorate/services/consensus/peer"
)

// held is what pending remembers of commands.
func (p *pending) held() (batches int, bytes int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.mu.batches), p.mu.bytes
}

// What waits is bounded by bytes from the call to the answer, in line and in batches, and what is answered, refused or
// forgotten gives its bytes back: commands that only claim their size go every way that there is.
func TestWaitingCommandsAreBoundedByBytes(t *testing.T) {
	p := newPending(math.MaxInt64)
	const size = proposalBytesMax / 8
	var all []*proposal
	add := func() error {
		one := &proposal{size: size, done: make(chan outcome, 1)}
		err := p.add(one)
		if err == nil {
			all = append(all, one)
		}
		return err
	}
	for range 8 {
		require.NoError(t, add())
	}
	require.ErrorIs(t, add(), problem.ErrTooManyRequests)
	batch := p.next(1)
	require.Len(t, batch.proposals, 1, "a large command travels alone")
	require.ErrorIs(t, add(), problem.ErrTooManyRequests, "it is not answered yet")
	require.Len(t, p.take(p.origin, batch.sequence), 1)
	require.NoError(t, add())

	batch = p.next(1)
	p.putBack(batch)
	require.ErrorIs(t, add(), problem.ErrTooManyRequests)
	require.Equal(t, batch.proposals, p.next(2).proposals, "it stands first in line again")
	for _, one := range all {
		p.forget(one)
		p.forget(one)
	}
	batches, bytes := p.held()
	require.Zero(t, batches)
	require.Zero(t, bytes)
	require.Zero(t, p.inLineCount())
	require.Nil(t, p.next(3))
}

// A process that may take little memory lets less wait, but any command alone: without a leader, or with a slow disk, the puts
// of many clients would end it ("out of memory" on all members at once).
func TestLittleMemoryLetsLessWait(t *testing.T) {
	const memory = 256 << 20
	p := newPending(memory)
	large := &proposal{size: memory}
	require.NoError(t, p.add(large))
	require.ErrorIs(t, p.add(&proposal{size: 1}), problem.ErrTooManyRequests)
	p.forget(large)
	var waiting int64
	for p.add(&proposal{size: 1 << 20}) == nil {
		waiting += 1 << 20
	}
	require.EqualValues(t, memory/proposalsPart, waiting)
}

// The number of those that wait is bounded too, and a caller that leaves makes room for another one, however many have
// left: ten times as many come and go as there is room for.
func TestWaitingCommandsAreBoundedByNumber(t *testing.T) {
	p := newPending(math.MaxInt64)
	for range proposalsWaitingMax {
		require.NoError(t, p.add(&proposal{size: 1}))
	}
	require.ErrorIs(t, p.add(&proposal{size: 1}), problem.ErrTooManyRequests)
	for _, one := range append([]*proposal(nil), p.mu.line...) {
		p.forget(one)
	}
	for range 10 * proposalsWaitingMax {
		one := &proposal{size: 1}
		require.NoError(t, p.add(one))
		p.forget(one)
	}
	require.LessOrEqual(t, len(p.mu.line), 2)
}

// A put whose caller gave up while there was no leader does not take effect later, over what others have written since: a
// member that is cut off loses its leadership, a put through it times out, and then it comes back.
func TestAbandonedCommandIsNeverProposed(t *testing.T) {
	net, members := cluster(t, 3)
	members[0].mustPut(t, "k", "0")
	old := leaderOf(t, members)
	net.isolate(old.MemberID(), true)
	for id, changed := old.Leader(); id != 0; id, changed = old.Leader() {
		<-changed
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err := old.Propose(ctx, &consensusv1.ProposeRequest{Command: put("k", "given up by its caller")})
	require.ErrorIs(t, err, context.DeadlineExceeded)

	other := members[0]
	if other == old {
		other = members[1]
	}
	writeUntilAcknowledged(t, other, "k", "newer")
	net.isolate(old.MemberID(), false)
	writeUntilAcknowledged(t, old, "through", "the one that was away")
	require.Equal(t, "newer", old.get(t, "k"))
}

// dropping is a network that loses proposals that are passed on.
type dropping struct {
	*network
	drop *atomic.Bool
}

func (d dropping) Send(ms []*raftpb.Message) {
	for _, m := range ms {
		if m.GetType() != raftpb.MsgProp || !d.drop.Load() {
			d.network.Send([]*raftpb.Message{m})
		}
	}
}

// Commands that were lost on their way to the leader are forgotten with their callers, and hold up nobody behind them: a
// network loses what a follower passes on, and the leader stays.
func TestLostBatchIsForgottenWithItsCallers(t *testing.T) {
	var drop atomic.Bool
	_, members := clusterWith(t, 3, func(c *Config) { c.Transport = dropping{c.Transport.(*network), &drop} }, nil)
	f := followerOf(t, members)
	f.mustPut(t, "k", "v")
	drop.Store(true)
	for range 3 * forwardsInFlightMax {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
		_, _ = f.Propose(ctx, &consensusv1.ProposeRequest{Command: put("k", "lost")}) // it may have become the leader meanwhile
		cancel()
	}
	batches, bytes := f.replica.pending.held()
	require.Zero(t, batches)
	require.Zero(t, bytes)

	// Callers that stay do not stop those behind them either.
	for range forwardsInFlightMax {
		_, err := f.submit(put("k", "lost"))
		require.NoError(t, err)
	}
	require.Eventually(t, func() bool { return f.replica.pending.inLineCount() == 0 }, time.Minute, time.Millisecond)
	drop.Store(false)
	f.mustPut(t, "k", "after")
	require.Equal(t, "after", f.get(t, "k"))
}

func followerOf(t *testing.T, members []*running) *running {
	t.Helper()
	leader := leaderOf(t, members)
	for _, m := range members {
		if m != leader {
			return m
		}
	}
	t.Fatal("there is only one member")
	return nil
}

// A command that is in the state that a member gets from another one is answered, with an unknown outcome: its entry
// will never be applied here. The leader's appends do not reach a follower that has passed on a put.
func TestCommandInsideASnapshotIsAnswered(t *testing.T) {
	// The follower hears nothing from here on, and must go on knowing its leader until it has passed the command on.
	net, members := clusterWith(t, 3, func(c *Config) { c.ElectionTicks = 200 }, nil)
	leader, f := leaderOf(t, members), followerOf(t, members)
	f.mustPut(t, "k", "v")
	net.mu.Lock()
	for _, m := range members {
		if m != f {
			net.mu.cut[[2]uint64{m.MemberID(), f.MemberID()}] = true
		}
	}
	net.mu.Unlock()
	passed, err := f.submit(put("k", "passed on"))
	require.NoError(t, err)
	require.Eventually(t, func() bool { return leader.get(t, "k") == "passed on" }, time.Minute, time.Millisecond)

	dir, index, term, release, err := leader.Checkpoint(t.Context())
	require.NoError(t, err)
	to := "data/member/received"
	_, err = vfs.Clone(leader.cfg.FS, f.cfg.FS, dir, to, vfs.CloneSync)
	release()
	require.NoError(t, err)
	message := &raftpb.Message{Type: raftpb.MsgSnap.Enum(), From: new(leader.MemberID()), To: new(f.MemberID()), Term: new(leader.term())}
	require.NoError(t, f.InstallSnapshot(t.Context(), peer.ReceivedSnapshot{Dir: to, From: leader.MemberID(), Index: index, Term: term, Message: message}))
	require.ErrorIs(t, (<-passed.done).err, problem.ErrLeaderChanged)
	net.isolate(f.MemberID(), false)
	require.Equal(t, "passed on", f.get(t, "k"))
}

// A member whose state is too far behind its log takes no new commands: one that is not run pretends to be.
func TestNewCommandsAreRefusedWhileTheStateLagsBehind(t *testing.T) {
	m, err := New(testConfig(vfs.NewMem()))
	require.NoError(t, err)
	defer func() { require.NoError(t, m.Close()) }()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	propose := func(lag uint64) error {
		m.replica.position.committed.Store(m.applier.applied.Load() + lag)
		_, err := m.Propose(ctx, &consensusv1.ProposeRequest{Command: put("k", "v")})
		return err
	}
	require.ErrorIs(t, propose(applyLagMax), context.Canceled, "it was in line")
	require.ErrorIs(t, propose(applyLagMax+1), problem.ErrTooManyRequests)
}
