package quorate

import (
	"context"
	"errors"
	"fmt"
	"time"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	leasev1 "github.com/quoratedb/quorate/pkg/gen/quorate/lease/v1"
	"github.com/quoratedb/quorate/pkg/problem"
	"github.com/quoratedb/quorate/services/api/port"
	"github.com/quoratedb/quorate/services/consensus"
	"github.com/quoratedb/quorate/services/consensus/peer"
	consensusrpc "github.com/quoratedb/quorate/services/consensus/rpc"
	"github.com/quoratedb/quorate/services/lease"
	leaserpc "github.com/quoratedb/quorate/services/lease/rpc"
)

// leaderRetry is how soon what only the leader can do is tried again while leadership moves.
const leaderRetry = 100 * time.Millisecond

// followLeadership lets the leases be counted down where the leader is: a member that becomes leader takes them over,
// and the epoch keeps the one before from expiring any.
func (p *parts) followLeadership(ctx context.Context) error {
	for {
		leader, changed := p.member.Leader()
		if leader == p.member.MemberID() {
			p.lease.TakeOver()
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil
		}
	}
}

// mount offers the other members what only this one may be able to do.
func (p *parts) mount() {
	path, handler := consensusrpc.NewHandler(p.member)
	p.peers.Mount(path, handler)
	path, handler = leaserpc.NewHandler(p.lease)
	p.peers.Mount(path, handler)
}

// leading has what only the leader's process can do done there: leases are counted down beside the leader.
type leading struct {
	member    *consensus.Member
	transport *peer.Transport
}

// try makes a call, here or at the leader, and again while leadership moves: then nothing was done.
func try[Request, Response any](
	ctx context.Context, l leading, request Request,
	local func(context.Context, Request) (Response, error),
	remote func(at string, id uint64) func(context.Context, Request) (Response, error),
) (Response, error) {
	for {
		leader, changed := l.member.Leader()
		var response Response
		err := problem.ErrNoLeader
		if leader == l.member.MemberID() {
			response, err = local(ctx, request)
		} else if url, known := l.transport.URL(leader); known {
			response, err = remote(url, leader)(ctx, request)
		}
		if !errors.Is(err, problem.ErrNoLeader) && !errors.Is(err, problem.ErrNotLeader) {
			return response, err
		}
		timer := time.NewTimer(leaderRetry)
		select {
		case <-changed:
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return response, fmt.Errorf("reach the leader: %w", context.Cause(ctx))
		}
		timer.Stop()
	}
}

// leadersLeases is the lease port of the API: the lease service beside the leader.
type leadersLeases struct {
	leading
	local *lease.Service
}

var _ port.Lease = leadersLeases{}

func (l leadersLeases) at(url string, id uint64) leaserpc.Service {
	return leaserpc.NewClient(l.transport.HTTPClient(id), url)
}

func (l leadersLeases) Grant(ctx context.Context, r *leasev1.GrantRequest) (*leasev1.GrantResponse, error) {
	return try(ctx, l.leading, r, l.local.Grant, func(url string, id uint64) func(context.Context, *leasev1.GrantRequest) (*leasev1.GrantResponse, error) {
		return l.at(url, id).Grant
	})
}

func (l leadersLeases) Revoke(ctx context.Context, r *leasev1.RevokeRequest) (*leasev1.RevokeResponse, error) {
	return try(ctx, l.leading, r, l.local.Revoke, func(url string, id uint64) func(context.Context, *leasev1.RevokeRequest) (*leasev1.RevokeResponse, error) {
		return l.at(url, id).Revoke
	})
}

func (l leadersLeases) KeepAlive(ctx context.Context, r *leasev1.KeepAliveRequest) (*leasev1.KeepAliveResponse, error) {
	return try(ctx, l.leading, r, l.local.KeepAlive, func(url string, id uint64) func(context.Context, *leasev1.KeepAliveRequest) (*leasev1.KeepAliveResponse, error) {
		return l.at(url, id).KeepAlive
	})
}

func (l leadersLeases) TimeToLive(ctx context.Context, r *leasev1.TimeToLiveRequest) (*leasev1.TimeToLiveResponse, error) {
	return try(ctx, l.leading, r, l.local.TimeToLive, func(url string, id uint64) func(context.Context, *leasev1.TimeToLiveRequest) (*leasev1.TimeToLiveResponse, error) {
		return l.at(url, id).TimeToLive
	})
}

func (l leadersLeases) List(ctx context.Context, r *leasev1.ListRequest) (*leasev1.ListResponse, error) {
	return try(ctx, l.leading, r, l.local.List, func(url string, id uint64) func(context.Context, *leasev1.ListRequest) (*leasev1.ListResponse, error) {
		return l.at(url, id).List
	})
}

// promoting is the consensus port of the API: this member, but for promotions, which the leader alone can judge.
type promoting struct {
	*consensus.Member
	leading
}

var _ port.Consensus = promoting{}

// PromoteMember is served by the leader.
func (p promoting) PromoteMember(ctx context.Context, r *consensusv1.PromoteMemberRequest) (*consensusv1.PromoteMemberResponse, error) {
	return try(ctx, p.leading, r, p.Member.PromoteMember, func(url string, id uint64) func(context.Context, *consensusv1.PromoteMemberRequest) (*consensusv1.PromoteMemberResponse, error) {
		return consensusrpc.NewClient(p.transport.HTTPClient(id), url).PromoteMember
	})
}
