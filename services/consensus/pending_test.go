package consensus

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"
	"go.etcd.io/raft/v3/raftpb"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/consensus/peer"
)

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
	for range 12 {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
		_, _ = f.Propose(ctx, &consensusv1.ProposeRequest{Command: put("k", "lost")}) // it may have become the leader meanwhile
		cancel()
	}
	_, bytes := f.replica.Waiting()
	require.Zero(t, bytes)

	// Callers that stay do not stop those behind them either.
	for range 4 {
		_, err := f.replica.Submit(put("k", "lost"))
		require.NoError(t, err)
	}
	require.Eventually(t, func() bool { return f.inLine() == 0 }, time.Minute, time.Millisecond)
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
	passed, err := f.replica.Submit(put("k", "passed on"))
	require.NoError(t, err)
	require.Eventually(t, func() bool { return leader.get(t, "k") == "passed on" }, time.Minute, time.Millisecond)

	dir, index, term, release, err := leader.Receiver().Checkpoint(t.Context())
	require.NoError(t, err)
	to := "data/member/received"
	_, err = vfs.Clone(leader.cfg.FS, f.cfg.FS, dir, to, vfs.CloneSync)
	release()
	require.NoError(t, err)
	message := &raftpb.Message{Type: raftpb.MsgSnap.Enum(), From: new(leader.MemberID()), To: new(f.MemberID()), Term: new(leader.replica.Term())}
	require.NoError(t, f.Receiver().InstallSnapshot(t.Context(), peer.ReceivedSnapshot{Dir: to, From: leader.MemberID(), Index: index, Term: term, Message: message}))
	_, err = f.replica.Wait(t.Context(), passed)
	require.ErrorIs(t, err, errdefs.ErrLeaderChanged)
	net.isolate(f.MemberID(), false)
	require.Equal(t, "passed on", f.get(t, "k"))
}
