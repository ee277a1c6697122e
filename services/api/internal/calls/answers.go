package calls

import (
	"context"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/peer"
	"google.golang.org/protobuf/proto"

	"github.com/quoratedb/quorate/pkg/budget"
	"github.com/quoratedb/quorate/services/api/internal/wire"
)

// Copies of an answer that are in memory at the same time: gRPC holds the message, and writes its encoding in pieces. Over HTTP there
// are the message, for the gateway twice and as what came over the pipe, its encoding as a whole, and what that has outgrown: an
// answer of 20 MB takes 85 MB through the gateway, 92 through Connect and 64 through v2.
const (
	grpcCopies = 1
	httpCopies = 5
)

// CountAnswer counts what the answer to a call of m holds that came over HTTP, from its reading on.
func (c *Calls) CountAnswer(ctx context.Context, m *Method) context.Context {
	if !m.reads {
		return ctx
	}
	return Count(ctx)
}

// answer handles a unary gRPC call. An answer that holds memory worth counting is counted until gRPC has written it.
func (c *Calls) answer(ctx context.Context, m *Method, request any, handle grpc.UnaryHandler) (any, error) {
	if !m.reads {
		return handle(ctx, request)
	}
	if carried := c.carried.of(ctx); carried != nil {
		response, err := handle(carried.With(ctx), request)
		takeUncounted(carried, response, err)
		return response, err // whoever has the HTTP request releases it
	}
	answer := c.answers.New(grpcCopies)
	if m.full == etcdserverpb.KV_Range_FullMethodName {
		answer.Reusable() // what others read may be told to more than their caller
	}
	ctx = answer.With(ctx)
	response, err := handle(ctx, request)
	takeUncounted(answer, response, err)
	message, ok := response.(proto.Message)
	if err != nil || !ok || answer.Bytes() == 0 {
		answer.Release()
		return response, err
	}
	answer.Send(func() { drop(ctx) })
	return &wire.Held{Message: message, Release: answer.Release, Encoded: answer.Encoded}, nil
}

// takeUncounted counts what another service has read, or a write, which nobody has counted.
func takeUncounted(answer *budget.Answer, response any, err error) {
	message, ok := response.(proto.Message)
	if err != nil || !ok || answer.Bytes() != 0 {
		return
	}
	if size := int64(proto.Size(message)); size >= budget.AnswerStep {
		answer.Take(size)
	}
}

// drop ends the connection that a call came by.
func drop(ctx context.Context) {
	if client, ok := peer.FromContext(ctx); ok {
		if connection, ok := client.Addr.(interface{ Drop() }); ok {
			connection.Drop()
		}
	}
}
