// Package remote is the lease service as other processes see it: all lease nodes behind a few endpoints, as one service.
// It knows which of them is active and follows take-overs: a keep-alive that waits for a node that is gone, paused or
// replaced is made again at the one that took over.
//
// A grant or a revoke is made again only when it certainly reached nobody. Else it fails with errdefs.ErrLeaderChanged.
package remote

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/quoratedb/quorate/pkg/errdefs"
	leasev1 "github.com/quoratedb/quorate/pkg/gen/quorate/lease/v1"
	"github.com/quoratedb/quorate/pkg/rpc/balancer"
	"github.com/quoratedb/quorate/pkg/rpc/batching"
	"github.com/quoratedb/quorate/pkg/rpc/resolver"
	"github.com/quoratedb/quorate/services/lease/rpc"
)

// Client is the lease service. Its methods may be called concurrently, also before Run, and then wait for it.
type Client struct {
	balancer *balancer.Balancer[*leasev1.Standing]
	renewals *renewals
}

var _ rpc.Service = (*Client)(nil)

// callTimeout bounds every call: some more than the lease service takes at most for one, with the default timing, so that its
// own refusal comes first.
const callTimeout = 8 * time.Second

// New makes a client of the lease nodes among the nodes, which Run then looks for.
func New(set *resolver.Set, logger *slog.Logger) *Client {
	c := &Client{balancer: balancer.New(balancer.Config[*leasev1.Standing]{
		Service: "lease", Nodes: set, Logger: logger, CallTimeout: callTimeout,
		Open: func(ctx context.Context, n *resolver.Node, told func(*leasev1.Standing)) (batching.Stream, error) {
			return rpc.OpenBatch(ctx, n.Client, n.URL, told)
		},
	})}
	c.renewals = newRenewals(func(ctx context.Context, req *leasev1.KeepAliveRequest) (*leasev1.KeepAliveResponse, error) {
		return call[leasev1.KeepAliveResponse](ctx, c, look, "KeepAlive", req)
	})
	return c
}

// Run keeps a stream to every node until ctx ends, on which the keep-alives that wait at the same time go together.
func (c *Client) Run(ctx context.Context) error {
	var together sync.WaitGroup
	defer together.Wait()
	together.Go(func() { c.renewals.run(ctx) })
	return c.balancer.Run(ctx)
}

type (
	member  = balancer.Backend[*leasev1.Standing]
	options = balancer.CallOptions[*leasev1.Standing]
)

// holder chooses the node that holds the newest epoch. One that was replaced and does not know it holds an older one.
type holder struct{}

func (holder) Pick(members []*member) *member {
	var found *member
	for _, m := range members {
		if m.Standing.GetActive() && (found == nil || m.Standing.GetEpoch() > found.Standing.GetEpoch()) {
			found = m
		}
	}
	return found
}

func (h holder) Keep(members []*member, m *member) bool {
	found := h.Pick(members)
	return found != nil && found.Node == m.Node
}

// How calls are made.
var (
	// change is for what a second time would not be the same. A node that stands by or stops has done nothing.
	change = options{Picker: holder{}, RetryPolicy: balancer.RetryPolicy{Retryable: []error{errdefs.ErrNoLeader, errdefs.ErrStopped}}}
	// look is for the rest. A keep-alive is no less true for being made twice.
	look = options{Picker: holder{}, RetryPolicy: balancer.RetryPolicy{Idempotent: true, Retryable: []error{errdefs.ErrNoLeader, errdefs.ErrStopped, errdefs.ErrLeaderChanged}}}
)

// call makes a call whose answer is a new Resp.
func call[Resp any, PResp interface {
	*Resp
	proto.Message
}](ctx context.Context, c *Client, h options, method string, req proto.Message) (PResp, error) {
	response := PResp(new(Resp))
	if err := c.balancer.Call(ctx, h, method, req, response); err != nil {
		return nil, err
	}
	return response, nil
}

// Grant creates a lease.
func (c *Client) Grant(ctx context.Context, req *leasev1.GrantRequest) (*leasev1.GrantResponse, error) {
	return call[leasev1.GrantResponse](ctx, c, change, "Grant", req)
}

// Revoke ends a lease and deletes its keys.
func (c *Client) Revoke(ctx context.Context, req *leasev1.RevokeRequest) (*leasev1.RevokeResponse, error) {
	return call[leasev1.RevokeResponse](ctx, c, change, "Revoke", req)
}

// KeepAlive gives leases all their time again.
func (c *Client) KeepAlive(ctx context.Context, req *leasev1.KeepAliveRequest) (*leasev1.KeepAliveResponse, error) {
	return c.renewals.KeepAlive(ctx, req)
}

// TimeToLive tells how long a lease has.
func (c *Client) TimeToLive(ctx context.Context, req *leasev1.TimeToLiveRequest) (*leasev1.TimeToLiveResponse, error) {
	return call[leasev1.TimeToLiveResponse](ctx, c, look, "TimeToLive", req)
}

// List names all leases.
func (c *Client) List(ctx context.Context, req *leasev1.ListRequest) (*leasev1.ListResponse, error) {
	return call[leasev1.ListResponse](ctx, c, look, "List", req)
}
