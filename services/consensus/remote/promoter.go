package remote

import (
	"context"
	"net/http"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/pkg/rpc/balancer"
	"github.com/quoratedb/quorate/services/consensus/rpc"
)

// Peers are how other members are reached, as their transport knows it.
type Peers interface {
	URL(id uint64) (url string, known bool)
	HTTPClient(id uint64) *http.Client
}

// LocalMember is the member of this process.
type LocalMember interface {
	balancer.Leadership
	PromoteMember(context.Context, *consensusv1.PromoteMemberRequest) (*consensusv1.PromoteMemberResponse, error)
}

// Promoter has learners promoted by the leader, who alone can judge it, from the process of any member.
type Promoter struct {
	Member LocalMember
	Peers  Peers
}

// PromoteMember makes a voter of a learner.
func (p Promoter) PromoteMember(ctx context.Context, req *consensusv1.PromoteMemberRequest) (*consensusv1.PromoteMemberResponse, error) {
	repeat := balancer.RetryPolicy{Retryable: []error{errdefs.ErrNoLeader, errdefs.ErrNotLeader}}
	return balancer.AtLeader(ctx, p.Member, repeat, func(ctx context.Context, leader uint64) (*consensusv1.PromoteMemberResponse, error) {
		if leader == p.Member.MemberID() {
			return p.Member.PromoteMember(ctx, req)
		}
		url, known := p.Peers.URL(leader)
		if !known {
			return nil, errdefs.ErrNoLeader
		}
		return rpc.NewClient(p.Peers.HTTPClient(leader), url).PromoteMember(ctx, req)
	})
}
