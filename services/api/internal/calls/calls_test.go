package calls

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/quoratedb/quorate/pkg/budget"
	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	quoratev1 "github.com/quoratedb/quorate/pkg/gen/quorate/v1"
	"github.com/quoratedb/quorate/services/api/internal/auth"
	"github.com/quoratedb/quorate/services/api/internal/leader"
	"github.com/quoratedb/quorate/services/api/internal/ratelimit"
	"github.com/quoratedb/quorate/services/api/internal/wire"
)

var put = &grpc.UnaryServerInfo{FullMethod: "/etcdserverpb.KV/Put"}

func newCalls(t testing.TB) *Calls {
	t.Helper()
	c := New(prometheus.NewRegistry(), leader.New(led{}, time.Second), auth.New(auth.Config{}), auth.NewGate(nobodyIsRoot{}, time.Second, slog.New(slog.DiscardHandler)), nil, nil)
	c.Register(map[string]grpc.ServiceInfo{
		"etcdserverpb.KV":           {Methods: []grpc.MethodInfo{{Name: "Put"}, {Name: "Range"}, {Name: "Txn"}, {Name: "RangeStream", IsServerStream: true}, {Name: "Invented"}}},
		"etcdserverpb.Lease":        {Methods: []grpc.MethodInfo{{Name: "LeaseKeepAlive", IsClientStream: true, IsServerStream: true}}},
		"etcdserverpb.Maintenance":  {Methods: []grpc.MethodInfo{{Name: "Hash"}}},
		"quorate.v1.InspectService": {Methods: []grpc.MethodInfo{{Name: "Children"}}},
		"v3lockpb.Lock":             {Methods: []grpc.MethodInfo{{Name: "Lock"}}},
		"etcdserverpb.Watch":        {Methods: []grpc.MethodInfo{{Name: "Watch", IsClientStream: true, IsServerStream: true}}},
	})
	return c
}

// Goal: counting costs a unary call no allocation. Method: count them around a handler that makes none.
func TestUnaryAllocatesNothing(t *testing.T) {
	c := newCalls(t)
	handle := func(context.Context, any) (any, error) { return nil, nil }
	require.Zero(t, testing.AllocsPerRun(100, func() { _, _ = c.Unary(t.Context(), nil, put, handle) }))
}

// Goal: calls are timed where that was asked for, each under its method, and that allocates nothing either. Method: a unary call.
func TestCallsAreTimed(t *testing.T) {
	registry := prometheus.NewRegistry()
	c := New(registry, leader.New(led{}, time.Second), auth.New(auth.Config{}), auth.NewGate(nobodyIsRoot{}, time.Second, slog.New(slog.DiscardHandler)), nil, nil)
	c.Time(registry)
	c.Register(map[string]grpc.ServiceInfo{"etcdserverpb.KV": {Methods: []grpc.MethodInfo{{Name: "Put"}, {Name: "Range"}}}})
	handle := func(context.Context, any) (any, error) { return nil, nil }
	require.Zero(t, testing.AllocsPerRun(100, func() { _, _ = c.Unary(t.Context(), nil, put, handle) }))
	require.Equal(t, 2, testutil.CollectAndCount(c.counters.took), "methods that were not called have series too")
	found, err := registry.Gather()
	require.NoError(t, err)
	for _, family := range found {
		if family.GetName() != "grpc_server_handling_seconds" {
			continue
		}
		require.EqualValues(t, 101, family.GetMetric()[0].GetHistogram().GetSampleCount())
		require.Zero(t, family.GetMetric()[1].GetHistogram().GetSampleCount())
	}
}

// Goal: clients are counted by the version that they say, and nobody makes series without end. Method: say many.
func TestVersionsOfClientsAreBounded(t *testing.T) {
	v := newClientVersions(prometheus.NewRegistry())
	say := func(version string) {
		v.unary(metadata.NewIncomingContext(t.Context(), metadata.Pairs(rpctypes.MetadataClientAPIVersionKey, version)))
	}
	v.stream(t.Context())
	say("3.7")
	say("<script>")
	for i := range 2 * clientVersionsMax {
		say(fmt.Sprintf("3.%d", i))
	}
	require.LessOrEqual(t, testutil.CollectAndCount(v.requests), 2*clientVersionsMax+2)
	require.InDelta(t, 2, testutil.ToFloat64(v.requests.WithLabelValues("unary", "3.7")), 0)
	require.InDelta(t, 1, testutil.ToFloat64(v.requests.WithLabelValues("stream", unknownVersion)), 0)
	require.Greater(t, testutil.ToFloat64(v.requests.WithLabelValues("unary", otherVersion)), 1.0)
}

// Goal: a call counts under the code it ends with, codes that gRPC does not have as Unknown. Method: end calls with
// some.
func TestHandledByCode(t *testing.T) {
	c := newCalls(t)
	for _, err := range []error{nil, status.Error(codes.NotFound, ""), errors.New("plain"), status.Error(codes.Code(99), "")} {
		_, got := c.Unary(t.Context(), nil, put, func(context.Context, any) (any, error) { return nil, err })
		require.Equal(t, err, got)
	}
	for code, want := range map[codes.Code]float64{codes.OK: 1, codes.NotFound: 1, codes.Unknown: 2, codes.Internal: 0} {
		require.InDelta(t, want, testutil.ToFloat64(c.Method(put.FullMethod).handled[code]), 0, code.String())
	}
}

// Goal: waiting ends when the last call does, or with its context. Method: two calls under way, in a bubble that knows
// when everybody waits.
func TestWaitUnary(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, finish := newCalls(t), make(chan struct{})
		for range 2 {
			go func() {
				_, _ = c.Unary(t.Context(), nil, put, func(context.Context, any) (any, error) {
					<-finish
					return nil, nil
				})
			}()
		}
		synctest.Wait()
		c.End()
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		require.ErrorIs(t, c.WaitUnary(ended), context.Canceled)

		waited := make(chan error, 1)
		go func() { waited <- c.WaitUnary(t.Context()) }()
		finish <- struct{}{}
		synctest.Wait()
		require.Empty(t, waited)
		finish <- struct{}{}
		require.NoError(t, <-waited)
	})
}

// stream is one of whose methods only the context matters.
type stream struct {
	grpc.ServerStream
	ctx context.Context
}

func (s stream) Context() context.Context { return s.ctx }

// Goal: the server's end reaches streams and is what their clients hear, whatever the method returns; a client's own
// end, or the method's, is not mistaken for it. Method: one stream each.
func TestEndOfStreams(t *testing.T) {
	c, info := newCalls(t), &grpc.StreamServerInfo{FullMethod: "/etcdserverpb.Watch/Watch"}
	wait := func(_ any, s grpc.ServerStream) error {
		<-s.Context().Done()
		return s.Context().Err()
	}
	left, leave := context.WithCancel(t.Context())
	leave()
	require.ErrorIs(t, c.Stream(nil, stream{ctx: left}, info, wait), context.Canceled)
	own := status.Error(codes.InvalidArgument, "no")
	require.Equal(t, own, c.Stream(nil, stream{ctx: t.Context()}, info, func(any, grpc.ServerStream) error { return own }))

	ended := make(chan error, 1)
	go func() { ended <- c.Stream(nil, stream{ctx: t.Context()}, info, wait) }()
	c.End()
	require.Equal(t, codes.Unavailable, status.Code(<-ended))
	require.Equal(t, codes.Unavailable, status.Code(c.Stream(nil, stream{ctx: t.Context()}, info, wait)), "a stream that begins late")
}

// led is a cluster that always has a leader.
type led struct{}

func (led) Position(context.Context, *consensusv1.PositionRequest) (*consensusv1.PositionResponse, error) {
	return &consensusv1.PositionResponse{LeaderId: 1}, nil
}

// unread is a stream whose client takes nothing until the stream has ended.
type unread struct {
	grpc.ServerStream
	ctx   context.Context
	ended chan struct{}
}

func (u *unread) Context() context.Context { return u.ctx }

func (u *unread) SendMsg(any) error {
	<-u.ended
	return status.Error(codes.Canceled, "the stream has ended")
}

// Goal: a client that does not read a snapshot or a range does not keep it for ever. Method: a stream that takes nothing, on a
// clock of its own; grpc-go lets the message fail when the interceptor has returned, and so does the stream here.
func TestTransferThatIsNotReadEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, begun := newCalls(t), time.Now()
		stream := &unread{ctx: t.Context(), ended: make(chan struct{})}
		handled := make(chan error, 1)
		err := c.Stream(nil, stream, &grpc.StreamServerInfo{FullMethod: "/etcdserverpb.KV/RangeStream", IsServerStream: true},
			func(_ any, s grpc.ServerStream) error {
				err := s.SendMsg(nil)
				handled <- err
				return err
			})
		require.Equal(t, codes.DeadlineExceeded, status.Code(err))
		require.Equal(t, TransferIdleMax, time.Since(begun))
		close(stream.ended)
		require.Error(t, <-handled)
		c.WaitTransfers()
	})
}

// Goal: an answer counts also where nobody counted while it was read: a write's, or one of services apart. Method: handlers that
// count nothing, with a large answer and a small one. That memory of ranges alone is used again is seen by the way.
func TestAnswersThatNobodyCountedAreCounted(t *testing.T) {
	c := newCalls(t)
	for method, of := range map[string]func(bytes int) proto.Message{
		etcdserverpb.KV_Range_FullMethodName: func(bytes int) proto.Message {
			return &etcdserverpb.RangeResponse{Kvs: []*mvccpb.KeyValue{{Value: make([]byte, bytes)}}}
		},
		"/etcdserverpb.KV/Txn": func(bytes int) proto.Message {
			return &etcdserverpb.TxnResponse{Responses: []*etcdserverpb.ResponseOp{{Response: &etcdserverpb.ResponseOp_ResponseRange{
				ResponseRange: &etcdserverpb.RangeResponse{Kvs: []*mvccpb.KeyValue{{Value: make([]byte, bytes)}}},
			}}}}
		},
		"/quorate.v1.InspectService/Children": func(bytes int) proto.Message {
			return &quoratev1.ChildrenResponse{Children: []*quoratev1.Child{{Name: make([]byte, bytes)}}}
		},
	} {
		again := false
		answer := func(bytes int) any {
			response, err := c.Unary(t.Context(), nil, &grpc.UnaryServerInfo{FullMethod: method}, func(ctx context.Context, _ any) (any, error) {
				budget.WhenEncoded(ctx, func() { again = true })
				return of(bytes), nil
			})
			require.NoError(t, err)
			return response
		}
		require.IsType(t, of(1), answer(1))
		sent, ok := answer(1 << 20).(*wire.Held)
		require.True(t, ok, method)
		held, _ := c.answers.Held()
		require.Greater(t, held, int64(1<<20))
		require.False(t, again)
		sent.Encoded()
		require.Equal(t, method == etcdserverpb.KV_Range_FullMethodName, again, "memory of ranges alone is used again")
		sent.Release()
		held, _ = c.answers.Held()
		require.Zero(t, held)
	}
}

// dressed is a writer around another, as v2's requests have several.
type dressed struct{ http.ResponseWriter }

func (d dressed) Unwrap() http.ResponseWriter { return d.ResponseWriter }

// Goal: what a handler reads for an answer over HTTP counts until it ends, whether it goes by its context or by its writer. Method: a read by
// each, the writer dressed.
func TestReadsCountForTheirAnswer(t *testing.T) {
	c := newCalls(t)
	for name, handler := range map[string]http.Handler{
		"context": c.CountAnswers(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			require.NoError(t, budget.Grow(Count(r.Context()), 1000))
			held, _ := c.answers.Held()
			require.EqualValues(t, httpCopies*1000, held)
		})),
		"writer": c.CountWritten(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			require.NoError(t, budget.Grow(CountFor(r.Context(), dressed{w}), 1000))
			held, _ := c.answers.Held()
			require.EqualValues(t, httpCopies*1000, held)
		})),
	} {
		handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
		held, _ := c.answers.Held()
		require.Zero(t, held, name)
	}
	require.Equal(t, t.Context(), CountFor(t.Context(), dressed{httptest.NewRecorder()}))
}

// nobodyIsRoot refuses whoever asks for something.
type nobodyIsRoot struct{}

func (nobodyIsRoot) Authorize(context.Context, *consensusv1.AuthorizeRequest) (*consensusv1.AuthorizeResponse, error) {
	return nil, errdefs.ErrPermissionDenied
}

// Goal: a call that its caller may not make reaches no handler, nor does one of a method that nobody has said anything about, and both are
// counted. Method: such calls and streams, with handlers that must not run.
func TestRefusedCallsReachNoHandler(t *testing.T) {
	c := newCalls(t)
	for _, method := range []string{"/etcdserverpb.Maintenance/Hash", "/etcdserverpb.KV/Invented", "/etcdserverpb.KV/Unknown"} {
		_, err := c.Unary(t.Context(), nil, &grpc.UnaryServerInfo{FullMethod: method}, func(context.Context, any) (any, error) {
			t.Error(method)
			return nil, nil
		})
		require.Equal(t, codes.PermissionDenied, status.Code(err), method)
		err = c.Stream(nil, &unread{ctx: t.Context()}, &grpc.StreamServerInfo{FullMethod: method}, func(any, grpc.ServerStream) error {
			t.Error(method)
			return nil
		})
		require.Equal(t, codes.PermissionDenied, status.Code(err), method)
	}
	require.InDelta(t, 2, testutil.ToFloat64(c.Method("/etcdserverpb.Maintenance/Hash").handled[codes.PermissionDenied]), 0)
}

// kept is a stream whose client sends the same message for ever.
type kept struct {
	grpc.ServerStream
	ctx context.Context
}

func (k kept) Context() context.Context { return k.ctx }
func (kept) RecvMsg(any) error          { return nil }

// Goal: what is beyond the rate reaches no handler, and keep-alives always do. Method: two calls and two streams of ranges where one is allowed, and
// a thousand keep-alives, while the clock stands.
func TestCallsBeyondTheRateReachNoHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		names := auth.NewNames(nil, auth.NewFollower(nil, slog.New(slog.DiscardHandler)))
		rates, err := ratelimit.New(ratelimit.Config{Mode: ratelimit.ModeEnforcing, Rates: []string{"writes=1", "lists=1"}}, names)
		require.NoError(t, err)
		c := newCalls(t)
		c.rates = rates
		handled := 0
		unary := func() error {
			_, err := c.Unary(t.Context(), &etcdserverpb.PutRequest{}, put, func(context.Context, any) (any, error) {
				handled++
				return nil, nil
			})
			return err
		}
		require.NoError(t, unary())
		require.Equal(t, rpctypes.ErrGRPCRequestTooManyRequests, unary())
		receive := func(message any, times int) grpc.StreamHandler {
			return func(_ any, s grpc.ServerStream) error {
				for range times {
					if err := s.RecvMsg(message); err != nil {
						return err
					}
					handled++
				}
				return nil
			}
		}
		ranges, list := &grpc.StreamServerInfo{FullMethod: "/etcdserverpb.KV/RangeStream", IsServerStream: true}, &etcdserverpb.RangeRequest{RangeEnd: []byte("b")}
		require.NoError(t, c.Stream(nil, kept{ctx: t.Context()}, ranges, receive(list, 1)))
		require.Equal(t, rpctypes.ErrGRPCRequestTooManyRequests, c.Stream(nil, kept{ctx: t.Context()}, ranges, receive(list, 1)))
		require.Equal(t, 2, handled)
		alive := &grpc.StreamServerInfo{FullMethod: "/etcdserverpb.Lease/LeaseKeepAlive", IsServerStream: true, IsClientStream: true}
		require.NoError(t, c.Stream(nil, kept{ctx: t.Context()}, alive, receive(&etcdserverpb.LeaseKeepAliveRequest{}, 1000)))
		require.Equal(t, 1002, handled)
	})
}

// Goal: streams that are open are bounded over all connections, and one that ends makes room. Method: as many as may be, one more, and one more after one has ended.
func TestOpenStreamsAreBounded(t *testing.T) {
	c := newCalls(t)
	c.open = budget.NewShared(2)
	watches := &grpc.StreamServerInfo{FullMethod: "/etcdserverpb.Watch/Watch", IsServerStream: true, IsClientStream: true}
	end, open := make(chan struct{}), make(chan struct{})
	stay := func(any, grpc.ServerStream) error { open <- struct{}{}; <-end; return nil }
	ended := make(chan error, 2)
	for range 2 {
		go func() { ended <- c.Stream(nil, kept{ctx: t.Context()}, watches, stay) }()
		<-open
	}
	nothing := func(any, grpc.ServerStream) error { return nil }
	require.Equal(t, rpctypes.ErrGRPCRequestTooManyRequests, c.Stream(nil, kept{ctx: t.Context()}, watches, nothing))
	close(end)
	require.NoError(t, errors.Join(<-ended, <-ended))
	require.NoError(t, c.Stream(nil, kept{ctx: t.Context()}, watches, nothing))
}

// Goal: calls that wait for a lock take places as streams do, and one too many is refused before anything is done for it; other calls need none. Method: all
// places taken by calls, one more of each kind, and one after the others have ended.
func TestCallsThatWaitTakePlaces(t *testing.T) {
	c := newCalls(t)
	c.open = budget.NewShared(2)
	lock := &grpc.UnaryServerInfo{FullMethod: "/v3lockpb.Lock/Lock"}
	end, open := make(chan struct{}), make(chan struct{})
	ended := make(chan error, 2)
	for range 2 {
		go func() {
			_, err := c.Unary(t.Context(), nil, lock, func(context.Context, any) (any, error) { open <- struct{}{}; <-end; return nil, nil })
			ended <- err
		}()
		<-open
	}
	handled := 0
	call := func(info *grpc.UnaryServerInfo) error {
		_, err := c.Unary(t.Context(), nil, info, func(context.Context, any) (any, error) { handled++; return nil, nil })
		return err
	}
	require.Equal(t, rpctypes.ErrGRPCRequestTooManyRequests, call(lock))
	require.Zero(t, handled)
	watches := &grpc.StreamServerInfo{FullMethod: "/etcdserverpb.Watch/Watch", IsServerStream: true, IsClientStream: true}
	require.Equal(t, rpctypes.ErrGRPCRequestTooManyRequests, c.Stream(nil, kept{ctx: t.Context()}, watches, func(any, grpc.ServerStream) error { return nil }))
	require.NoError(t, call(put))
	close(end)
	require.NoError(t, errors.Join(<-ended, <-ended))
	require.NoError(t, call(lock))
}

// Goal: streams of one connection cost others no place. Method: one that has as many as it gets and another one's, over the same wire.
func TestStreamsOfAConnectionLeavePlacesForOthers(t *testing.T) {
	c := newCalls(t)
	c.open = budget.NewShared(4)
	alive := &grpc.StreamServerInfo{FullMethod: "/etcdserverpb.Lease/LeaseKeepAlive", IsServerStream: true, IsClientStream: true}
	var open func(connection, other context.Context, streams int)
	open = func(connection, other context.Context, streams int) {
		err := c.Stream(nil, kept{ctx: connection}, alive, func(any, grpc.ServerStream) error {
			open(connection, other, streams+1)
			return nil
		})
		if err != nil {
			require.Equal(t, rpctypes.ErrGRPCRequestTooManyRequests, err)
			require.Equal(t, 2, streams)
			require.NoError(t, c.Stream(nil, kept{ctx: other}, alive, func(any, grpc.ServerStream) error { return nil }))
		}
	}
	for range 2 {
		open(budget.WithConnection(t.Context(), func() { t.Error("ended") }), budget.WithConnection(t.Context(), func() { t.Error("ended") }), 0)
	}
}
