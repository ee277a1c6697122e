// Package rpc is the Connect edge of the lease service: a handler over anything with its methods, and clients that have
// the same methods, for calls that travel alone or in batches. The errors of package errdefs cross it. It holds no
// logic.
package rpc

import (
	"context"
	"net/http"

	"connectrpc.com/connect"

	batchv1 "github.com/quoratedb/quorate/pkg/gen/quorate/batch/v1"
	leasev1 "github.com/quoratedb/quorate/pkg/gen/quorate/lease/v1"
	"github.com/quoratedb/quorate/pkg/gen/quorate/lease/v1/leasev1connect"
	"github.com/quoratedb/quorate/pkg/rpc/batching"
	"github.com/quoratedb/quorate/pkg/rpc/interceptor"
)

// Service is the lease service as its users see it. What each method does is told in proto/quorate/lease/v1.
type Service interface {
	Grant(context.Context, *leasev1.GrantRequest) (*leasev1.GrantResponse, error)
	Revoke(context.Context, *leasev1.RevokeRequest) (*leasev1.RevokeResponse, error)
	KeepAlive(context.Context, *leasev1.KeepAliveRequest) (*leasev1.KeepAliveResponse, error)
	TimeToLive(context.Context, *leasev1.TimeToLiveRequest) (*leasev1.TimeToLiveResponse, error)
	List(context.Context, *leasev1.ListRequest) (*leasev1.ListResponse, error)
}

// Node is a lease service as the handler serves it: *lease.Service has these methods.
type Node interface {
	Service
	// Standing returns the newest epoch that the service acquired, whether it holds it, so far as it knows, and a channel
	// that is closed when that changes.
	Standing() (epoch uint64, active bool, changed <-chan struct{})
}

// NewHandler makes the handler, whose messages keep the rules, and names the path below which it belongs.
func NewHandler(n Node, rules interceptor.Rules) (path string, handler http.Handler) {
	path, handler = leasev1connect.NewLeaseServiceHandler(server{n, newBatches(n, rules)}, interceptor.HandlerOptions(rules)...)
	return path, interceptor.Interruptible(handler)
}

type server struct {
	Service
	batching.Server[leasev1.BatchRequest, leasev1.BatchResponse]
}

// NewClient makes a client of the lease service at a URL. It dials nothing.
func NewClient(c connect.HTTPClient, url string) Service {
	return leasev1connect.NewLeaseServiceClient(c, url, interceptor.ClientOptions()...)
}

// newBatches serves calls in batches. Every stream is told what part the node plays, and when that changes.
func newBatches(n Node, rules interceptor.Rules) batching.Server[leasev1.BatchRequest, leasev1.BatchResponse] {
	return batching.Server[leasev1.BatchRequest, leasev1.BatchResponse]{
		Methods: batching.Methods{
			"Grant":      batching.Unary(rules, n.Grant),
			"Revoke":     batching.Unary(rules, n.Revoke),
			"KeepAlive":  batching.Unary(rules, n.KeepAlive),
			"TimeToLive": batching.Unary(rules, n.TimeToLive),
			"List":       batching.Unary(rules, n.List),
		},
		Calls: (*leasev1.BatchRequest).GetCalls,
		Begin: func() (func([]*batchv1.Answer) *leasev1.BatchResponse, func() <-chan struct{}) {
			var told *leasev1.Standing
			wrap := func(answers []*batchv1.Answer) *leasev1.BatchResponse {
				response := &leasev1.BatchResponse{Answers: answers}
				if epoch, active, _ := n.Standing(); told == nil || told.GetEpoch() != epoch || told.GetActive() != active {
					told = &leasev1.Standing{Epoch: epoch, Active: active}
					response.Standing = told
				}
				return response
			}
			changed := func() <-chan struct{} {
				_, _, changed := n.Standing()
				return changed
			}
			return wrap, changed
		},
	}
}

// OpenBatch opens a stream for calls in batches to the lease node at a URL, which ends with ctx. told is called with each
// standing of the node, before the answers that came with it are returned.
func OpenBatch(ctx context.Context, c connect.HTTPClient, url string, told func(*leasev1.Standing)) (batching.Stream, error) {
	stream := &batching.ClientStream[leasev1.BatchRequest, leasev1.BatchResponse]{
		Open: leasev1connect.NewLeaseServiceClient(interceptor.Whole(c), url, interceptor.ClientOptions()...).Batch,
		Wrap: func(calls []*batchv1.Call) *leasev1.BatchRequest { return &leasev1.BatchRequest{Calls: calls} },
		Unwrap: func(response *leasev1.BatchResponse) []*batchv1.Answer {
			if standing := response.GetStanding(); standing != nil {
				told(standing)
			}
			return response.GetAnswers()
		},
	}
	return stream, stream.Start(ctx)
}
