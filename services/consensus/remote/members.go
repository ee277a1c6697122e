package remote

import (
	"context"
	"errors"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/pkg/rpc/balancer"
	"github.com/quoratedb/quorate/services/consensus/rpc"
)

// Leader is the member of this process, as far as it can tell of itself and hand leadership over.
type Leader interface {
	balancer.Leadership
	Status(context.Context, *consensusv1.StatusRequest) (*consensusv1.StatusResponse, error)
	MoveLeader(context.Context, *consensusv1.MoveLeaderRequest) (*consensusv1.MoveLeaderResponse, error)
}

// StatusOf asks a member, this process's or another one, how it is. It returns errdefs.ErrMemberNotFound for one that the transport does not know.
func StatusOf(ctx context.Context, local Leader, peers Peers, id uint64) (*consensusv1.StatusResponse, error) {
	if id == local.MemberID() {
		return local.Status(ctx, &consensusv1.StatusRequest{})
	}
	url, known := peers.URL(id)
	if !known {
		return nil, errdefs.ErrMemberNotFound
	}
	return rpc.NewClient(peers.HTTPClient(id), url).Status(ctx, &consensusv1.StatusRequest{})
}

// MoveLeader has the leader, wherever it is, hand leadership to a member.
func MoveLeader(
	ctx context.Context, local Leader, peers Peers, request *consensusv1.MoveLeaderRequest,
) (*consensusv1.MoveLeaderResponse, error) {
	repeat := balancer.RetryPolicy{Retryable: []error{errdefs.ErrNoLeader, errdefs.ErrNotLeader}}
	moved, err := balancer.AtLeader(ctx, local, repeat, func(ctx context.Context, leader uint64) (*consensusv1.MoveLeaderResponse, error) {
		if leader == local.MemberID() {
			return local.MoveLeader(ctx, request)
		}
		url, known := peers.URL(leader)
		if !known {
			return nil, errdefs.ErrNoLeader
		}
		return rpc.NewClient(peers.HTTPClient(leader), url).MoveLeader(ctx, request)
	})
	if errors.Is(err, errdefs.ErrLeaderChanged) && awaitLeader(ctx, local, request.GetId()) {
		return new(consensusv1.MoveLeaderResponse), nil // the news was faster than the answer
	}
	return moved, err
}

// awaitLeader tells whether a member leads, now or with the next change.
func awaitLeader(ctx context.Context, local Leader, target uint64) bool {
	for range 2 {
		leader, changed := local.Leader()
		if leader == target {
			return true
		}
		if leader != 0 {
			return false
		}
		select {
		case <-changed:
		case <-ctx.Done():
		}
	}
	return false
}

// only chooses one member.
type only struct{ id uint64 }

// Pick implements the balancer's picker.
func (o only) Pick(members []*member) *member {
	for _, m := range members {
		if m.Standing.GetMemberId() == o.id {
			return m
		}
	}
	return nil
}

// Keep implements the balancer's picker.
func (only) Keep([]*member, *member) bool { return true }

// MemberStatus asks a member how it is. Where it cannot be reached that takes as long as ctx allows.
func (c *Client) MemberStatus(ctx context.Context, id uint64) (*consensusv1.StatusResponse, error) {
	options := look
	options.Picker = only{id}
	return call[consensusv1.StatusResponse](ctx, c, options, "Status", &consensusv1.StatusRequest{})
}
