package hop

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	batchv1 "github.com/quoratedb/quorate/pkg/gen/quorate/batch/v1"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1/consensusv1connect"
	"github.com/quoratedb/quorate/pkg/rpc/batching"
	"github.com/quoratedb/quorate/pkg/rpc/interceptor"
	"github.com/quoratedb/quorate/pkg/rpc/validation"
)

// What a put of 256 bytes costs beyond the service that answers it, both ends and the loopback between them included: over
// package batching, as between our services, and over grpc-go, a call each.
//
//	go -C tests test -run '^$' -bench Call ./hop
//
// With one caller it is the way there and back; with more, what is left of it when calls share messages.
func BenchmarkCall(b *testing.B) {
	for _, way := range []struct {
		name string
		call func(b *testing.B) func(ctx context.Context, request *consensusv1.ProposeRequest, response *consensusv1.ProposeResponse) error
	}{{"mux", overMux}, {"grpc", overGRPC}} {
		for _, callers := range []int{1, 100, 1000} {
			b.Run(fmt.Sprintf("%s/callers=%d", way.name, callers), func(b *testing.B) { benchmarkCalls(b, callers, way.call(b)) })
		}
	}
}

func benchmarkCalls(b *testing.B, callers int, propose func(context.Context, *consensusv1.ProposeRequest, *consensusv1.ProposeResponse) error) {
	request := &consensusv1.ProposeRequest{Command: &consensusv1.Command{Command: &consensusv1.Command_Put{
		Put: &consensusv1.PutOp{Key: []byte("registry/pods/default/nginx"), Value: make([]byte, 256)},
	}}}
	call := func() {
		if err := propose(b.Context(), request, &consensusv1.ProposeResponse{}); err != nil {
			b.Error(err)
		}
	}
	call()
	b.ReportAllocs()
	b.ResetTimer()
	began := processor(b)
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
	b.ReportMetric(float64(processor(b)-began)/float64(b.N), "cpu-ns/op")
}

// processor is the time that this process has had of the processors.
func processor(b *testing.B) time.Duration {
	var used syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &used))
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

func applied(context.Context, *consensusv1.ProposeRequest) (*consensusv1.ProposeResponse, error) {
	return &consensusv1.ProposeResponse{Result: &consensusv1.Result{
		Revision: 1 << 20, RaftTerm: 2, RaftIndex: 1 << 20, Result: &consensusv1.Result_Put{Put: &consensusv1.PutResult{}},
	}}, nil
}

// batches is a consensus service of batches alone.
type batches struct {
	consensusv1connect.UnimplementedConsensusServiceHandler
	batching.Server[consensusv1.BatchRequest, consensusv1.BatchResponse]
}

func (s batches) Batch(ctx context.Context, stream *connect.BidiStream[consensusv1.BatchRequest, consensusv1.BatchResponse]) error {
	return s.Server.Batch(ctx, stream)
}

// overMux makes calls as the services do, without TLS.
func overMux(b *testing.B) func(context.Context, *consensusv1.ProposeRequest, *consensusv1.ProposeResponse) error {
	methods := batching.Methods{"Propose": batching.Unary(validation.Check, applied)}
	service := batches{Server: batching.Server[consensusv1.BatchRequest, consensusv1.BatchResponse]{
		Methods: methods, Calls: (*consensusv1.BatchRequest).GetCalls,
		Begin: func() (func([]*batchv1.Answer) *consensusv1.BatchResponse, func() <-chan struct{}) {
			return func(answers []*batchv1.Answer) *consensusv1.BatchResponse {
				return &consensusv1.BatchResponse{Answers: answers}
			}, func() <-chan struct{} { return nil }
		},
	}}
	routes := http.NewServeMux()
	path, handler := consensusv1connect.NewConsensusServiceHandler(service, interceptor.HandlerOptions(validation.Check)...)
	routes.Handle(path, interceptor.Interruptible(handler))
	server := httptest.NewUnstartedServer(routes)
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	server.Config.Protocols = protocols
	server.Start()
	b.Cleanup(server.Close)
	client := &http.Client{Transport: &http.Transport{Protocols: protocols}}
	stream := &batching.ClientStream[consensusv1.BatchRequest, consensusv1.BatchResponse]{
		Open: consensusv1connect.NewConsensusServiceClient(interceptor.Whole(client), server.URL, interceptor.ClientOptions()...).Batch,
		Wrap: func(calls []*batchv1.Call) *consensusv1.BatchRequest {
			return &consensusv1.BatchRequest{Calls: calls}
		},
		Unwrap: (*consensusv1.BatchResponse).GetAnswers,
	}
	require.NoError(b, stream.Start(b.Context()))
	conn := batching.NewConn(stream)
	ctx, cancel := context.WithCancel(b.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = conn.Run(ctx) })
	b.Cleanup(func() {
		cancel()
		running.Wait()
	})
	return func(ctx context.Context, request *consensusv1.ProposeRequest, response *consensusv1.ProposeResponse) error {
		return conn.Call(ctx, batching.Change, "Propose", request, response)
	}
}

// overGRPC makes a call of grpc-go for each, on one connection.
func overGRPC(b *testing.B) func(context.Context, *consensusv1.ProposeRequest, *consensusv1.ProposeResponse) error {
	const method = "/quorate.Hop/Propose"
	server := grpc.NewServer(grpc.NumStreamWorkers(8))
	server.RegisterService(&grpc.ServiceDesc{
		ServiceName: "quorate.Hop", HandlerType: (*any)(nil),
		Methods: []grpc.MethodDesc{{MethodName: "Propose", Handler: func(_ any, ctx context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
			request := &consensusv1.ProposeRequest{}
			if err := decode(request); err != nil {
				return nil, err
			}
			return applied(ctx, request)
		}}},
	}, nil)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(b, err)
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(listener) })
	conn, err := grpc.NewClient(listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(b, err)
	b.Cleanup(func() {
		_ = conn.Close()
		server.Stop()
		serving.Wait()
	})
	return func(ctx context.Context, request *consensusv1.ProposeRequest, response *consensusv1.ProposeResponse) error {
		return conn.Invoke(ctx, method, request, response)
	}
}
