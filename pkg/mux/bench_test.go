package mux

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"

	"connectrpc.com/connect"
	"github.com/stretchr/testify/require"

	"github.com/quoratedb/quorate/pkg/edge"
	"github.com/quoratedb/quorate/pkg/edge/rules"
	batchv1 "github.com/quoratedb/quorate/pkg/gen/quorate/batch/v1"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1/consensusv1connect"
)

// What a put of 256 bytes costs beyond the service that answers it, both ends and the loopback between them included:
//
//	go test -run '^$' -bench . ./pkg/mux
//
// With one caller it is the way there and back; with more, what is left of it when calls share messages.
func BenchmarkCall(b *testing.B) {
	for _, callers := range []int{1, 100, 1000} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) { benchmarkCalls(b, callers) })
	}
}

func benchmarkCalls(b *testing.B, callers int) {
	conn := connectHTTP(b, Methods{"Propose": Unary(rules.Check, applied)})
	request := &consensusv1.ProposeRequest{Command: &consensusv1.Command{Command: &consensusv1.Command_Put{
		Put: &consensusv1.PutOp{Key: []byte("registry/pods/default/nginx"), Value: make([]byte, 256)},
	}}}
	call := func() {
		if err := conn.Call(b.Context(), Change, "Propose", request, &consensusv1.ProposeResponse{}); err != nil {
			b.Error(err)
		}
	}
	call()
	b.ReportAllocs()
	b.ResetTimer()
	var left atomic.Int64
	left.Store(int64(b.N))
	var calling sync.WaitGroup
	for range callers {
		calling.Go(func() {
			for left.Add(-1) >= 0 {
				call()
			}
		})
	}
	calling.Wait()
}

func applied(context.Context, *consensusv1.ProposeRequest) (*consensusv1.ProposeResponse, error) {
	return &consensusv1.ProposeResponse{Result: &consensusv1.Result{
		Revision: 1 << 20, RaftTerm: 2, RaftIndex: 1 << 20, Result: &consensusv1.Result_Put{Put: &consensusv1.PutResult{}},
	}}, nil
}

// batches is a consensus service of batches alone.
type batches struct {
	consensusv1connect.UnimplementedConsensusServiceHandler
	Server[consensusv1.BatchRequest, consensusv1.BatchResponse]
}

func (s batches) Batch(ctx context.Context, stream *connect.BidiStream[consensusv1.BatchRequest, consensusv1.BatchResponse]) error {
	return s.Server.Batch(ctx, stream)
}

// connectHTTP makes calls as the services do, without TLS.
func connectHTTP(b *testing.B, methods Methods) *Conn {
	service := batches{Server: Server[consensusv1.BatchRequest, consensusv1.BatchResponse]{
		Methods: methods, Calls: (*consensusv1.BatchRequest).GetCalls,
		Begin: func() (func([]*batchv1.Answer) *consensusv1.BatchResponse, func() <-chan struct{}) {
			return func(answers []*batchv1.Answer) *consensusv1.BatchResponse {
				return &consensusv1.BatchResponse{Answers: answers}
			}, func() <-chan struct{} { return nil }
		},
	}}
	routes := http.NewServeMux()
	path, handler := consensusv1connect.NewConsensusServiceHandler(service, edge.HandlerOptions(rules.Check)...)
	routes.Handle(path, edge.Interruptible(handler))
	server := httptest.NewUnstartedServer(routes)
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	server.Config.Protocols = protocols
	server.Start()
	b.Cleanup(server.Close)
	client := &http.Client{Transport: &http.Transport{Protocols: protocols}}
	stream := &ClientStream[consensusv1.BatchRequest, consensusv1.BatchResponse]{
		Open: consensusv1connect.NewConsensusServiceClient(edge.Whole(client), server.URL, edge.ClientOptions()...).Batch,
		Wrap: func(calls []*batchv1.Call) *consensusv1.BatchRequest {
			return &consensusv1.BatchRequest{Calls: calls}
		},
		Unwrap: (*consensusv1.BatchResponse).GetAnswers,
	}
	require.NoError(b, stream.Start(b.Context()))
	conn := NewConn(stream)
	ctx, cancel := context.WithCancel(b.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = conn.Run(ctx) })
	b.Cleanup(func() {
		cancel()
		running.Wait()
	})
	return conn
}
