package rpc

import (
	"context"
	"net/http"
	"time"

	"connectrpc.com/connect"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1/consensusv1connect"
	"github.com/quoratedb/quorate/pkg/rpc/batching"
	"github.com/quoratedb/quorate/pkg/rpc/interceptor"
)

// Member is a consensus member as the handler serves it: *consensus.Member has these methods.
type Member interface {
	Service
	Tree
	Standing
}

// NewHandler makes the handler, whose messages keep the rules, and names the path below which it belongs.
func NewHandler(m Member, a Auth, q Quotas, i Inspector, rules interceptor.Rules) (path string, handler http.Handler) {
	served := server{m, newBatches(m, a, q, i, rules)}
	path, handler = consensusv1connect.NewConsensusServiceHandler(served, interceptor.HandlerOptions(rules)...)
	return path, interceptor.Interruptible(handler)
}

// server gives streams the form that Connect calls; everything else is the service's own.
type server struct {
	Service
	batching.Server[consensusv1.BatchRequest, consensusv1.BatchResponse]
}

func (s server) RangeStream(
	ctx context.Context, req *consensusv1.RangeStreamRequest, out *connect.ServerStream[consensusv1.RangeStreamResponse],
) error {
	return s.Service.RangeStream(ctx, req, patient(ctx, out))
}

func (s server) Tail(
	ctx context.Context, req *consensusv1.TailRequest, out *connect.ServerStream[consensusv1.TailResponse],
) error {
	return s.Service.Tail(ctx, req, out.Send)
}

func (s server) Snapshot(
	ctx context.Context, req *consensusv1.SnapshotRequest, out *connect.ServerStream[consensusv1.SnapshotResponse],
) error {
	return s.Service.Snapshot(ctx, req, patient(ctx, out))
}

// transferIdleMax is how long the other side of a stream that goes one way may take nothing: longer than an API node lets its
// own clients (calls.TransferIdleMax there), so that a stream ends for its cause.
const transferIdleMax = 90 * time.Second

// patient sends on a stream as long as the other side takes something now and then.
func patient[T any](ctx context.Context, out *connect.ServerStream[T]) func(*T) error {
	return func(message *T) error {
		return interceptor.Within(ctx, transferIdleMax, func() error { return out.Send(message) })
	}
}
