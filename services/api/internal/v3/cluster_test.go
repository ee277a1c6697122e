package v3_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// changingConsensus is a fakeConsensus whose members change; refuse makes it decline.
type changingConsensus struct {
	fakeConsensus
	refuse error
	asked  any
}

func (c *changingConsensus) AddMember(_ context.Context, r *consensusv1.AddMemberRequest) (*consensusv1.AddMemberResponse, error) {
	c.asked = r
	added := &consensusv1.Member{Id: 9, PeerUrls: r.GetPeerUrls(), IsLearner: r.GetIsLearner()}
	return &consensusv1.AddMemberResponse{Member: added, Members: []*consensusv1.Member{{Id: 1, Name: "one"}, added}}, c.refuse
}

func (c *changingConsensus) RemoveMember(_ context.Context, r *consensusv1.RemoveMemberRequest) (*consensusv1.RemoveMemberResponse, error) {
	c.asked = r
	return &consensusv1.RemoveMemberResponse{Members: []*consensusv1.Member{{Id: 1}}}, c.refuse
}

func (c *changingConsensus) UpdateMember(_ context.Context, r *consensusv1.UpdateMemberRequest) (*consensusv1.UpdateMemberResponse, error) {
	c.asked = r
	return &consensusv1.UpdateMemberResponse{Members: []*consensusv1.Member{{Id: 1}}}, c.refuse
}

func (c *changingConsensus) PromoteMember(_ context.Context, r *consensusv1.PromoteMemberRequest) (*consensusv1.PromoteMemberResponse, error) {
	c.asked = r
	return &consensusv1.PromoteMemberResponse{Members: []*consensusv1.Member{{Id: 1}}}, c.refuse
}

func (c *changingConsensus) MoveLeader(_ context.Context, r *consensusv1.MoveLeaderRequest) (*consensusv1.MoveLeaderResponse, error) {
	c.asked = r
	return &consensusv1.MoveLeaderResponse{}, c.refuse
}

// TestMemberChanges has each change made and each kind of refusal answered: a fake records what is asked.
func TestMemberChanges(t *testing.T) {
	store := &changingConsensus{fakeConsensus: fakeConsensus{position: func(context.Context) (*consensusv1.PositionResponse, error) {
		return &consensusv1.PositionResponse{ClusterId: clusterID, MemberId: memberID, RaftTerm: 3, Revision: 8}, nil
	}}}
	services := newServices(t, store, nil)
	urls := []string{"http://10.0.0.9:2380"}

	added, err := services.Cluster.MemberAdd(t.Context(), &etcdserverpb.MemberAddRequest{PeerURLs: urls, IsLearner: true})
	require.NoError(t, err)
	require.Equal(t, uint64(9), added.GetMember().GetID())
	require.True(t, added.GetMember().GetIsLearner())
	require.Equal(t, urls, added.GetMember().GetPeerURLs())
	require.Len(t, added.GetMembers(), 2)
	require.Zero(t, added.GetHeader().GetRevision())
	require.Equal(t, uint64(memberID), added.GetHeader().GetMemberId())

	calls := map[string]func() error{
		"remove": func() error {
			_, err := services.Cluster.MemberRemove(t.Context(), &etcdserverpb.MemberRemoveRequest{ID: 9})
			return err
		},
		"update": func() error {
			_, err := services.Cluster.MemberUpdate(t.Context(), &etcdserverpb.MemberUpdateRequest{ID: 9, PeerURLs: urls})
			return err
		},
		"promote": func() error {
			_, err := services.Cluster.MemberPromote(t.Context(), &etcdserverpb.MemberPromoteRequest{ID: 9})
			return err
		},
		"move leader": func() error {
			_, err := services.Maintenance.MoveLeader(t.Context(), &etcdserverpb.MoveLeaderRequest{TargetID: 9})
			return err
		},
	}
	for name, call := range calls {
		store.refuse = nil
		require.NoError(t, call(), name)
		asked, ok := store.asked.(interface{ GetId() uint64 })
		require.True(t, ok, name)
		require.Equal(t, uint64(9), asked.GetId(), name)
		store.refuse = errdefs.ErrMemberNotFound
		require.Equal(t, rpctypes.ErrGRPCMemberNotFound, call(), name)
	}
}

// TestMemberURLsAreChecked holds additions and updates to URLs that a member can listen at, and to no more of them than all
// members can be told ("one request of 20,000 URLs keeps half a core busy for ever").
func TestMemberURLsAreChecked(t *testing.T) {
	services := newServices(t, &changingConsensus{}, nil)
	many := slices.Repeat([]string{"http://10.0.0.9:2380"}, 17)
	long := "http://" + strings.Repeat("a", 512) + ":2380"
	for _, urls := range [][]string{nil, many, {long}, {"10.0.0.9:2380"}, {"ftp://10.0.0.9:2380"}, {"http://10.0.0.9"}, {"http://10.0.0.9:2380/path"}, {"http://10.0.0.9:2380", "://"}} {
		_, err := services.Cluster.MemberAdd(t.Context(), &etcdserverpb.MemberAddRequest{PeerURLs: urls})
		require.Equal(t, rpctypes.ErrGRPCMemberBadURLs, err, urls)
		_, err = services.Cluster.MemberUpdate(t.Context(), &etcdserverpb.MemberUpdateRequest{ID: 9, PeerURLs: urls})
		require.Equal(t, rpctypes.ErrGRPCMemberBadURLs, err, urls)
	}
}
