package quorate

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"go.etcd.io/raft/v3"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	leasev1 "github.com/quoratedb/quorate/pkg/gen/quorate/lease/v1"
	"github.com/quoratedb/quorate/pkg/problem"
	"github.com/quoratedb/quorate/services/api/port"
	"github.com/quoratedb/quorate/services/consensus"
	consensusrpc "github.com/quoratedb/quorate/services/consensus/rpc"
	"github.com/quoratedb/quorate/services/lease"
	leaserpc "github.com/quoratedb/quorate/services/lease/rpc"
)

// leaderRetry is how soon what only the leader can do is tried again while leadership moves.
const leaderRetry = 100 * time.Millisecond

// followLeadership lets the leases be counted down where the leader is: a member that becomes leader takes them over, and
// again if it loses them while it leads; one that is leader no more leaves them alone. Between two of these the epoch
// keeps the one that is late from expiring any.
func followLeadership(ctx context.Context, member leaderOf, leases *lease.Service) error {
	for {
		_, _, turned := leases.Standing()
		leader, changed := member.Leader()
		if leader == member.MemberID() {
			leases.TakeOver()
		} else {
			leases.StepDown()
		}
		select {
		case <-changed:
		case <-turned:
		case <-ctx.Done():
			return nil
		}
	}
}

// mount offers the other members what only this one may be able to do.
func (p *parts) mount() {
	path, handler := consensusrpc.NewHandler(p.member, nil)
	p.peers.Mount(path, handler)
	path, handler = leaserpc.NewHandler(p.lease, nil)
	p.peers.Mount(path, handler)
}

// leading has what only the leader's process can do done there: leases are counted down beside the leader.
type leading struct {
	member    leaderOf
	transport addresses
}

// leaderOf is who leads, as a *consensus.Member knows it.
type leaderOf interface {
	MemberID() uint64
	Leader() (id uint64, changed <-chan struct{})
}

// addresses are how other members are reached, as a *peer.Transport knows it.
type addresses interface {
	URL(id uint64) (url string, known bool)
	HTTPClient(id uint64) *http.Client
}

// method is what the leader is asked for, here and elsewhere.
type method[Request, Response any] struct {
	local  func(context.Context, Request) (Response, error)
	remote func(at string, id uint64) func(context.Context, Request) (Response, error)
	// harmless says that doing it once more changes nothing, so that it may be tried again when nobody knows whether it was done.
	harmless bool
}

// try makes a call, here or at the leader, and again while leadership moves and nothing was done, or nothing that matters. It
// fails with problem.ErrLeaderChanged where the leader was lost with the outcome, and with the cause of ctx's end.
func try[Request, Response any](ctx context.Context, l leading, request Request, m method[Request, Response]) (Response, error) {
	for {
		leader, changed := l.member.Leader()
		var response Response
		err := problem.ErrNoLeader
		if leader == l.member.MemberID() {
			response, err = m.local(ctx, request)
		} else if url, known := l.transport.URL(leader); known {
			response, err = ask(ctx, l.member, leader, request, m.remote(url, leader))
		}
		undone := errors.Is(err, problem.ErrNoLeader) || errors.Is(err, problem.ErrNotLeader)
		if !undone && (!m.harmless || !errors.Is(err, problem.ErrLeaderChanged)) {
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

// ask makes a call of a leader at another member, and gives it up once somebody else leads: one that is frozen or cut off does
// not say that it is the leader no more.
func ask[Request, Response any](
	ctx context.Context, member leaderOf, leader uint64, request Request, call func(context.Context, Request) (Response, error),
) (Response, error) {
	attempt, abandon := context.WithCancel(ctx)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		defer abandon()
		awaitOther(attempt, member, leader)
	}()
	response, err := call(attempt, request)
	abandon()
	<-watched
	// The end of this attempt, or of the leader's process, must not look as if the caller had left.
	lost := errors.Is(err, context.Canceled) || errors.Is(err, problem.ErrStopped)
	if lost && ctx.Err() == nil {
		return response, fmt.Errorf("member %x, which led: %v: %w", leader, err, problem.ErrLeaderChanged)
	}
	return response, err
}

// awaitOther waits until somebody other than leader leads, or ctx ends.
func awaitOther(ctx context.Context, member leaderOf, leader uint64) {
	for {
		now, changed := member.Leader()
		if now != leader && now != raft.None {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}

// leadersLeases is the lease port of the API: the lease service beside the leader.
type leadersLeases struct {
	leading
	local  *lease.Service
	stream *leaderStream
}

var _ port.Lease = leadersLeases{}

func (l leadersLeases) at(url string, id uint64) leaserpc.Service {
	if service := l.stream.to(id); service != nil {
		return service
	}
	return leaserpc.NewClient(l.transport.HTTPClient(id), url)
}

func (l leadersLeases) Grant(ctx context.Context, r *leasev1.GrantRequest) (*leasev1.GrantResponse, error) {
	return try(ctx, l.leading, r, method[*leasev1.GrantRequest, *leasev1.GrantResponse]{
		local: l.local.Grant,
		remote: func(url string, id uint64) func(context.Context, *leasev1.GrantRequest) (*leasev1.GrantResponse, error) {
			return l.at(url, id).Grant
		},
	})
}

func (l leadersLeases) Revoke(ctx context.Context, r *leasev1.RevokeRequest) (*leasev1.RevokeResponse, error) {
	return try(ctx, l.leading, r, method[*leasev1.RevokeRequest, *leasev1.RevokeResponse]{
		local: l.local.Revoke,
		remote: func(url string, id uint64) func(context.Context, *leasev1.RevokeRequest) (*leasev1.RevokeResponse, error) {
			return l.at(url, id).Revoke
		},
	})
}

func (l leadersLeases) KeepAlive(ctx context.Context, r *leasev1.KeepAliveRequest) (*leasev1.KeepAliveResponse, error) {
	return try(ctx, l.leading, r, method[*leasev1.KeepAliveRequest, *leasev1.KeepAliveResponse]{
		local: l.local.KeepAlive,
		remote: func(url string, id uint64) func(context.Context, *leasev1.KeepAliveRequest) (*leasev1.KeepAliveResponse, error) {
			return l.at(url, id).KeepAlive
		},
		harmless: true,
	})
}

func (l leadersLeases) TimeToLive(ctx context.Context, r *leasev1.TimeToLiveRequest) (*leasev1.TimeToLiveResponse, error) {
	return try(ctx, l.leading, r, method[*leasev1.TimeToLiveRequest, *leasev1.TimeToLiveResponse]{
		local: l.local.TimeToLive,
		remote: func(url string, id uint64) func(context.Context, *leasev1.TimeToLiveRequest) (*leasev1.TimeToLiveResponse, error) {
			return l.at(url, id).TimeToLive
		},
		harmless: true,
	})
}

func (l leadersLeases) List(ctx context.Context, r *leasev1.ListRequest) (*leasev1.ListResponse, error) {
	return try(ctx, l.leading, r, method[*leasev1.ListRequest, *leasev1.ListResponse]{
		local: l.local.List,
		remote: func(url string, id uint64) func(context.Context, *leasev1.ListRequest) (*leasev1.ListResponse, error) {
			return l.at(url, id).List
		},
		harmless: true,
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
	return try(ctx, p.leading, r, method[*consensusv1.PromoteMemberRequest, *consensusv1.PromoteMemberResponse]{
		local: p.Member.PromoteMember,
		remote: func(url string, id uint64) func(context.Context, *consensusv1.PromoteMemberRequest) (*consensusv1.PromoteMemberResponse, error) {
			return consensusrpc.NewClient(p.transport.HTTPClient(id), url).PromoteMember
		},
	})
}
