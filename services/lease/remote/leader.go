package remote

import (
	"context"
	"net/http"

	"github.com/quoratedb/quorate/pkg/errdefs"
	leasev1 "github.com/quoratedb/quorate/pkg/gen/quorate/lease/v1"
	"github.com/quoratedb/quorate/pkg/rpc/balancer"
	"github.com/quoratedb/quorate/services/lease/rpc"
)

// Peers are how other members are reached, as their transport knows it.
type Peers interface {
	URL(id uint64) (url string, known bool)
	HTTPClient(id uint64) *http.Client
	StreamClient(id uint64) *http.Client
}

// LeaderClient is the lease service where every member of the store has one and the leader's is active: each call is made
// there, here or by the connections between members, as the same rules allow that Client goes by. Its methods may be called
// concurrently.
type LeaderClient struct {
	leadership balancer.Leadership
	peers      Peers
	local      rpc.Service
	stream     *leaderStream
}

var _ rpc.Service = (*LeaderClient)(nil)

// NewLeaderClient makes a client of the lease services of all members, of which local is this one's. Run makes its calls cheap.
func NewLeaderClient(l balancer.Leadership, peers Peers, local rpc.Service) *LeaderClient {
	return &LeaderClient{leadership: l, peers: peers, local: local, stream: newLeaderStream(l, peers)}
}

// Run keeps a stream to the leader while it is another member, from the first call on, until ctx ends. Without it calls go one
// by one.
func (c *LeaderClient) Run(ctx context.Context) error { return c.stream.run(ctx) }

// at is the lease service of a member.
func (c *LeaderClient) at(id uint64) (rpc.Service, error) {
	if id == c.leadership.MemberID() {
		return c.local, nil
	}
	url, known := c.peers.URL(id)
	if !known {
		return nil, errdefs.ErrNoLeader
	}
	if service := c.stream.to(id); service != nil {
		return service, nil
	}
	return rpc.NewClient(c.peers.HTTPClient(id), url), nil
}

// atLeader makes a call of the leader's service.
func atLeader[Req, Resp any](
	ctx context.Context, c *LeaderClient, r balancer.RetryPolicy, req *Req, method func(rpc.Service, context.Context, *Req) (*Resp, error),
) (*Resp, error) {
	return balancer.AtLeader(ctx, c.leadership, r, func(ctx context.Context, leader uint64) (*Resp, error) {
		service, err := c.at(leader)
		if err != nil {
			return nil, err
		}
		return method(service, ctx, req)
	})
}

// Grant creates a lease.
func (c *LeaderClient) Grant(ctx context.Context, req *leasev1.GrantRequest) (*leasev1.GrantResponse, error) {
	return atLeader(ctx, c, change.RetryPolicy, req, rpc.Service.Grant)
}

// Revoke ends a lease and deletes its keys.
func (c *LeaderClient) Revoke(ctx context.Context, req *leasev1.RevokeRequest) (*leasev1.RevokeResponse, error) {
	return atLeader(ctx, c, change.RetryPolicy, req, rpc.Service.Revoke)
}

// KeepAlive gives leases all their time again.
func (c *LeaderClient) KeepAlive(ctx context.Context, req *leasev1.KeepAliveRequest) (*leasev1.KeepAliveResponse, error) {
	return atLeader(ctx, c, look.RetryPolicy, req, rpc.Service.KeepAlive)
}

// TimeToLive tells how long a lease has.
func (c *LeaderClient) TimeToLive(ctx context.Context, req *leasev1.TimeToLiveRequest) (*leasev1.TimeToLiveResponse, error) {
	return atLeader(ctx, c, look.RetryPolicy, req, rpc.Service.TimeToLive)
}

// List names all leases.
func (c *LeaderClient) List(ctx context.Context, req *leasev1.ListRequest) (*leasev1.ListResponse, error) {
	return atLeader(ctx, c, look.RetryPolicy, req, rpc.Service.List)
}
