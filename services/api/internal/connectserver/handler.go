package connectserver

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"strings"
	"time"

	"connectrpc.com/connect"
	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"

	consolev1 "github.com/quoratedb/quorate/pkg/gen/quorate/console/v1"
	"github.com/quoratedb/quorate/pkg/gen/quorate/console/v1/consolev1connect"
	"github.com/quoratedb/quorate/pkg/gen/quorate/v1/quoratev1connect"
	"github.com/quoratedb/quorate/services/api/internal/auditlog"
	"github.com/quoratedb/quorate/services/api/internal/calls"
	"github.com/quoratedb/quorate/services/api/internal/etcdconnect/etcdserverpbconnect"
	"github.com/quoratedb/quorate/services/api/internal/etcdconnect/v3electionpb"
	"github.com/quoratedb/quorate/services/api/internal/etcdconnect/v3electionpb/v3electionpbconnect"
	"github.com/quoratedb/quorate/services/api/internal/etcdconnect/v3lockpb/v3lockpbconnect"
	"github.com/quoratedb/quorate/services/console"
)

// Services are the methods to serve, as grpc-go would have them.
type Services struct {
	KV          etcdserverpb.KVServer
	Watch       etcdserverpb.WatchServer
	Lease       etcdserverpb.LeaseServer
	Cluster     etcdserverpb.ClusterServer
	Maintenance etcdserverpb.MaintenanceServer
	Auth        etcdserverpb.AuthServer
	Quotas      quoratev1connect.QuotaServiceHandler
	Inspect     quoratev1connect.InspectServiceHandler
	Lock        v3lockpbconnect.LockHandler
	Election    Election
	// Console may be nil: then there is none.
	Console *console.Console
}

// Election are the methods of the Election service.
type Election interface {
	Campaign(context.Context, *v3electionpb.CampaignRequest) (*v3electionpb.CampaignResponse, error)
	Proclaim(context.Context, *v3electionpb.ProclaimRequest) (*v3electionpb.ProclaimResponse, error)
	Leader(context.Context, *v3electionpb.LeaderRequest) (*v3electionpb.LeaderResponse, error)
	Observe(*v3electionpb.LeaderRequest, grpc.ServerStreamingServer[v3electionpb.LeaderResponse]) error
	Resign(context.Context, *v3electionpb.ResignRequest) (*v3electionpb.ResignResponse, error)
}

// Register adds a handler for each service to mux, with gRPC-Web in both of its modes. A message from a client may have up to receiveBytesMax bytes.
func Register(mux *http.ServeMux, services Services, watched *calls.Calls, receiveBytesMax int) {
	options := []connect.HandlerOption{
		connect.WithReadMaxBytes(receiveBytesMax),
		withGzip(receiveBytesMax),
		connect.WithInterceptors(unary{watched}),
	}
	add := func(path string, handler http.Handler) {
		mux.Handle(path, inward(explained(webText(receiveBytesMax, handler))))
	}
	add(etcdserverpbconnect.NewKVHandler(kv{services.KV, watched}, options...))
	add(etcdserverpbconnect.NewWatchHandler(watch{services.Watch, watched}, options...))
	add(etcdserverpbconnect.NewLeaseHandler(lease{services.Lease, watched}, options...))
	add(etcdserverpbconnect.NewClusterHandler(services.Cluster, options...))
	add(etcdserverpbconnect.NewMaintenanceHandler(maintenance{services.Maintenance, watched}, options...))
	add(etcdserverpbconnect.NewAuthHandler(services.Auth, options...))
	add(v3lockpbconnect.NewLockHandler(services.Lock, options...))
	add(v3electionpbconnect.NewElectionHandler(election{services.Election, watched}, options...))
	add(quoratev1connect.NewQuotaServiceHandler(services.Quotas, options...))
	add(quoratev1connect.NewInspectServiceHandler(services.Inspect, options...))
	if services.Console != nil {
		path, handler := consolev1connect.NewConsoleServiceHandler(consoleService{services.Console, watched}, options...)
		add(path, services.Console.Guard(handler))
	}
}

// The generated unary signatures are gRPC's own, so that embedding a service is all it takes; the streams are told apart
// by their types.
type (
	kv struct {
		etcdserverpb.KVServer
		watched *calls.Calls
	}
	watch struct {
		etcdserverpb.WatchServer
		watched *calls.Calls
	}
	lease struct {
		etcdserverpb.LeaseServer
		watched *calls.Calls
	}
	maintenance struct {
		etcdserverpb.MaintenanceServer
		watched *calls.Calls
	}
	election struct {
		Election
		watched *calls.Calls
	}
	consoleService struct {
		*console.Console
		watched *calls.Calls
	}
)

func (s kv) RangeStream(ctx context.Context, request *etcdserverpb.RangeRequest, stream *connect.ServerStream[etcdserverpb.RangeStreamResponse]) error {
	return serverStream(ctx, s.watched, request, stream, s.KVServer.RangeStream)
}

func (s watch) Watch(ctx context.Context, stream *connect.BidiStream[etcdserverpb.WatchRequest, etcdserverpb.WatchResponse]) error {
	return bidiStream(ctx, s.watched, stream, s.WatchServer.Watch)
}

func (s lease) LeaseKeepAlive(ctx context.Context, stream *connect.BidiStream[etcdserverpb.LeaseKeepAliveRequest, etcdserverpb.LeaseKeepAliveResponse]) error {
	return bidiStream(ctx, s.watched, stream, s.LeaseServer.LeaseKeepAlive)
}

func (s maintenance) Snapshot(ctx context.Context, request *etcdserverpb.SnapshotRequest, stream *connect.ServerStream[etcdserverpb.SnapshotResponse]) error {
	return serverStream(ctx, s.watched, request, stream, s.MaintenanceServer.Snapshot)
}

func (s election) Observe(ctx context.Context, request *v3electionpb.LeaderRequest, stream *connect.ServerStream[v3electionpb.LeaderResponse]) error {
	return serverStream(ctx, s.watched, request, stream, s.Election.Observe)
}

func (s consoleService) Live(ctx context.Context, request *consolev1.LiveRequest, stream *connect.ServerStream[consolev1.LiveResponse]) error {
	return serverStream(ctx, s.watched, request, stream, s.Console.Live)
}

// unary counts unary calls and translates their errors.
type unary struct{ watched *calls.Calls }

var _ connect.Interceptor = unary{}

func (i unary) WrapUnary(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, request connect.AnyRequest) (connect.AnyResponse, error) {
		method := i.watched.Method(request.Spec().Procedure)
		begun := i.watched.BeginUnary(method)
		ctx, span := i.watched.Follow(ctx, method)
		var (
			response connect.AnyResponse
			entry    *auditlog.Entry
		)
		ctx, done, err := i.watched.Wait(ctx, method)
		defer done()
		if err == nil {
			ctx, entry, err = i.watched.Admit(ctx, method, request.Any())
		}
		if err == nil {
			response, err = next(i.watched.CountAnswer(ctx, method), request)
		}
		if entry != nil {
			var message any
			if err == nil {
				message = response.Any()
			}
			err = entry.Finish(message, err)
		}
		i.watched.EndUnary(method, begun, err)
		i.ended(ctx, method, begun, request, response, err)
		calls.EndSpan(span, err)
		return response, toConnect(err)
	}
}

func (i unary) ended(ctx context.Context, m *calls.Method, begun time.Time, request connect.AnyRequest, response connect.AnyResponse, err error) {
	var message any
	if response != nil {
		message = response.Any()
	}
	i.watched.Ended(ctx, m, begun, request.Any(), message, err)
}

func (unary) WrapStreamingClient(next connect.StreamingClientFunc) connect.StreamingClientFunc {
	return next
}

func (unary) WrapStreamingHandler(next connect.StreamingHandlerFunc) connect.StreamingHandlerFunc {
	return next
}

// inward gives a request's context what methods expect from grpc-go's: headers as metadata, and who the client is.
func inward(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		headers := make(metadata.MD, len(r.Header))
		for name, values := range r.Header {
			headers[strings.ToLower(name)] = values
		}
		ctx := metadata.NewIncomingContext(r.Context(), headers)
		ctx = peer.NewContext(ctx, &peer.Peer{Addr: remote(r.RemoteAddr), AuthInfo: authInfo(r.TLS)})
		ctx = context.WithValue(ctx, stopReadingKey{}, func() {
			// It fails where there is no stream to stop: over HTTP/1.1 a request is read before it is answered.
			_ = http.NewResponseController(w).SetReadDeadline(time.Unix(1, 0))
		})
		ctx = context.WithValue(ctx, writeDeadlineKey{}, func(at time.Time) { _ = http.NewResponseController(w).SetWriteDeadline(at) })
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// authInfo returns nil without TLS.
func authInfo(state *tls.ConnectionState) credentials.AuthInfo {
	if state == nil {
		return nil
	}
	return credentials.TLSInfo{
		State:          *state,
		CommonAuthInfo: credentials.CommonAuthInfo{SecurityLevel: credentials.PrivacyAndIntegrity},
	}
}

// remote is a client's address as net/http gives it.
type remote string

var _ net.Addr = remote("")

func (remote) Network() string  { return "tcp" }
func (r remote) String() string { return string(r) }
