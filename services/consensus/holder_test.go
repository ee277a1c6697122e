package consensus

import (
	"context"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

func (r *running) hold(t *testing.T, epoch uint64, leaving bool) (newest uint64, silence time.Duration) {
	t.Helper()
	answer, err := r.HoldLeases(t.Context(), &consensusv1.HoldLeasesRequest{Epoch: epoch, Leaving: leaving})
	require.NoError(t, err)
	return answer.GetEpoch(), time.Duration(answer.GetSilence())
}

func (r *running) acquire(t *testing.T) uint64 {
	t.Helper()
	answer, err := r.Propose(t.Context(), &consensusv1.ProposeRequest{Command: &consensusv1.Command{
		Command: &consensusv1.Command_LeaseAcquire{LeaseAcquire: &consensusv1.LeaseAcquireOp{Holder: "test"}},
	}})
	require.NoError(t, err)
	return answer.GetResult().GetLeaseAcquire().GetEpoch()
}

// Only the word of the newest epoch's holder counts, a new epoch starts anew, and a holder that leaves has been silent for
// ever. A member of its own, and a word of each kind. ReadIndex tells the epoch.
func TestHoldLeases(t *testing.T) {
	leader := start(t, testConfig(vfs.NewMem()))
	epoch, _ := leader.hold(t, 0, false)
	require.Zero(t, epoch)
	first := leader.acquire(t)
	index, err := leader.ReadIndex(t.Context(), &consensusv1.ReadIndexRequest{})
	require.NoError(t, err)
	require.Equal(t, first, index.GetLeaseEpoch())
	epoch, silence := leader.hold(t, first, false)
	require.Equal(t, first, epoch)
	require.Zero(t, silence)
	_, silence = leader.hold(t, 0, false)
	_, later := leader.hold(t, first+1, false)
	require.Greater(t, later, silence, "the word of another is nothing")
	_, silence = leader.hold(t, first, true)
	require.Greater(t, silence, time.Hour)
	answer, err := leader.HoldLeases(t.Context(), &consensusv1.HoldLeasesRequest{Patience: int64(time.Hour)})
	require.NoError(t, err)
	require.True(t, answer.GetTakeOver())
	answer, err = leader.HoldLeases(t.Context(), &consensusv1.HoldLeasesRequest{Patience: int64(time.Hour)})
	require.NoError(t, err)
	require.False(t, answer.GetTakeOver(), "one at a time")
	second := leader.acquire(t)
	epoch, silence = leader.hold(t, first, true)
	require.Equal(t, second, epoch)
	require.Less(t, silence, time.Hour, "the one before cannot give up what it does not hold")
}

// follower is a member that does not lead, and cannot come to, because it is cut off from now on.
func follower(t *testing.T, net *network, members []*running) *running {
	t.Helper()
	leader := leaderOf(t, members)
	for _, m := range members {
		if m != leader {
			net.isolate(m.MemberID(), true)
			return m
		}
	}
	return nil
}

// Only the leader can tell. Ask another member.
func TestFollowersCannotTellOfHolders(t *testing.T) {
	net, members := cluster(t, 3)
	_, err := follower(t, net, members).HoldLeases(t.Context(), &consensusv1.HoldLeasesRequest{})
	require.ErrorIs(t, err, errdefs.ErrNotLeader)
}

// A serializable read waits for what its caller has been shown, and for nothing else. A follower that is cut off while
// the others write: an ordinary read is answered, one that has seen more is not until the follower is back.
func TestReadWaitsForWhatWasSeen(t *testing.T) {
	net, members := cluster(t, 3)
	members[0].mustPut(t, "a", "1")
	behind := follower(t, net, members)
	var other *running
	for _, m := range members {
		if m != behind {
			other = m
		}
	}
	writeUntilAcknowledged(t, other, "a", "2")
	written, err := other.Range(t.Context(), &consensusv1.RangeRequest{Range: &consensusv1.RangeOp{Key: []byte("a")}})
	require.NoError(t, err)
	seen := written.GetRevision()
	request := &consensusv1.RangeRequest{Range: &consensusv1.RangeOp{Key: []byte("a")}, Serializable: true}
	answer, err := behind.Range(t.Context(), request)
	require.NoError(t, err)
	require.Less(t, answer.GetRevision(), seen)

	request = &consensusv1.RangeRequest{Range: request.GetRange(), Serializable: true, SeenRevision: seen}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = behind.Range(ctx, request)
	require.ErrorIs(t, err, context.Canceled)
	net.isolate(behind.MemberID(), false)
	answer, err = behind.Range(t.Context(), request)
	require.NoError(t, err)
	require.GreaterOrEqual(t, answer.GetRevision(), seen)
	require.Equal(t, "2", string(answer.GetResult().GetKvs()[0].GetValue()))
}
