package consensus

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/consensus/internal/membership"
)

// Changes of members are refused with the reason that etcd gives, and change nothing: each refusal is provoked on a
// cluster of three.
func TestMembershipChangesAreRefused(t *testing.T) {
	_, members := cluster(t, 3)
	m := members[0]
	_, err := m.UpdateMember(t.Context(), &consensusv1.UpdateMemberRequest{Id: 2, PeerUrls: []string{"http://two"}})
	require.NoError(t, err)
	before := m.members.List()

	_, err = m.AddMember(t.Context(), &consensusv1.AddMemberRequest{PeerUrls: []string{"http://two"}})
	require.ErrorIs(t, err, errdefs.ErrPeerInUse)
	_, err = m.RemoveMember(t.Context(), &consensusv1.RemoveMemberRequest{Id: 77})
	require.ErrorIs(t, err, errdefs.ErrMemberNotFound)
	_, err = m.UpdateMember(t.Context(), &consensusv1.UpdateMemberRequest{Id: 77, PeerUrls: []string{"http://x"}})
	require.ErrorIs(t, err, errdefs.ErrMemberNotFound)
	_, err = m.UpdateMember(t.Context(), &consensusv1.UpdateMemberRequest{Id: 3, PeerUrls: []string{"http://two"}})
	require.ErrorIs(t, err, errdefs.ErrPeerInUse)
	leader := leaderOf(t, members)
	_, err = leader.PromoteMember(t.Context(), &consensusv1.PromoteMemberRequest{Id: leader.MemberID()})
	require.ErrorIs(t, err, errdefs.ErrNotLearner)
	_, err = leader.PromoteMember(t.Context(), &consensusv1.PromoteMemberRequest{Id: 77})
	require.ErrorIs(t, err, errdefs.ErrMemberNotFound)
	for _, follower := range members {
		if follower != leader {
			_, err = follower.PromoteMember(t.Context(), &consensusv1.PromoteMemberRequest{Id: 77})
			require.ErrorIs(t, err, errdefs.ErrNotLeader)
		}
	}
	require.Equal(t, before, m.members.List())
	m.mustPut(t, "key", "the refused changes left raft working")
}

// Growing while members are missing is refused where it would cost the quorum, and allowed without the strict check:
// an added voter that never starts is counted.
func TestStrictReconfigurationKeepsTheQuorum(t *testing.T) {
	_, members := cluster(t, 1)
	m := members[0]
	added, err := m.AddMember(t.Context(), &consensusv1.AddMemberRequest{PeerUrls: []string{"http://learner"}, IsLearner: true})
	require.NoError(t, err)
	require.True(t, added.GetMember().GetIsLearner())
	require.Len(t, added.GetMembers(), 2)
	_, err = m.PromoteMember(t.Context(), &consensusv1.PromoteMemberRequest{Id: added.GetMember().GetId()})
	require.ErrorIs(t, err, errdefs.ErrLearnerNotReady)
	m.mustPut(t, "key", "a learner does not count")
	removed, err := m.RemoveMember(t.Context(), &consensusv1.RemoveMemberRequest{Id: added.GetMember().GetId()})
	require.NoError(t, err)
	require.Len(t, removed.GetMembers(), 1)
	_, err = m.RemoveMember(t.Context(), &consensusv1.RemoveMemberRequest{Id: added.GetMember().GetId()})
	require.ErrorIs(t, err, errdefs.ErrMemberRemoved)
	_, err = m.UpdateMember(t.Context(), &consensusv1.UpdateMemberRequest{Id: added.GetMember().GetId(), PeerUrls: []string{"http://x"}})
	require.ErrorIs(t, err, errdefs.ErrMemberRemoved)
	_, err = m.RemoveMember(t.Context(), &consensusv1.RemoveMemberRequest{Id: m.MemberID()})
	require.ErrorIs(t, err, errdefs.ErrNotEnoughStarted, "the last voter stays")

	// One member may become two, but no more until the second has started.
	_, err = m.AddMember(t.Context(), &consensusv1.AddMemberRequest{PeerUrls: []string{"http://second"}})
	require.NoError(t, err)
	_, err = m.AddMember(t.Context(), &consensusv1.AddMemberRequest{PeerUrls: []string{"http://third"}})
	require.ErrorIs(t, err, errdefs.ErrNotEnoughStarted)
}

// Leadership goes where it is asked to go, and writes go on.
func TestMoveLeader(t *testing.T) {
	_, members := cluster(t, 3)
	leader := leaderOf(t, members)
	var target *running
	for _, m := range members {
		if m != leader {
			target = m
		}
	}
	_, err := target.MoveLeader(t.Context(), &consensusv1.MoveLeaderRequest{Id: target.MemberID()})
	require.ErrorIs(t, err, errdefs.ErrNotLeader)
	_, err = leader.MoveLeader(t.Context(), &consensusv1.MoveLeaderRequest{Id: 99})
	require.ErrorIs(t, err, errdefs.ErrBadTransferee)
	_, err = leader.MoveLeader(t.Context(), &consensusv1.MoveLeaderRequest{Id: target.MemberID()})
	require.NoError(t, err)
	require.Equal(t, target.MemberID(), leader.replica.LeaderID())
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	_, err = target.Propose(ctx, &consensusv1.ProposeRequest{Command: put("key", "value")})
	require.NoError(t, err)
}

// Goal: a member may be added while a voter is away, if a quorum of the enlarged cluster is connected without the new one, be it
// a learner or not; else it is refused. Method: what five voters are asked, of which four are connected, and then three.
func TestMemberIsAddedWhileAVoterIsAway(t *testing.T) {
	cfg := testConfig(vfs.NewMem())
	cfg.MemberID, cfg.Members = 1, nil
	for id := uint64(1); id <= 5; id++ {
		cfg.Members = append(cfg.Members, &consensusv1.Member{Id: id, Name: fmt.Sprint(id), PeerUrls: []string{fmt.Sprintf("http://m%d", id)}})
	}
	connected := partners{since: map[uint64]time.Time{2: {}, 3: {}, 4: {}}}
	cfg.Transport = connected
	m, err := New(cfg)
	require.NoError(t, err)
	defer func() { require.NoError(t, m.Close()) }()
	require.NoError(t, membership.MayAdd(m.members.Situation(time.Now()), false))
	require.NoError(t, membership.MayAdd(m.members.Situation(time.Now()), true))
	delete(connected.since, 4)
	require.ErrorIs(t, membership.MayAdd(m.members.Situation(time.Now()), false), errdefs.ErrUnhealthy)
	require.ErrorIs(t, membership.MayAdd(m.members.Situation(time.Now()), true), errdefs.ErrUnhealthy)
}
