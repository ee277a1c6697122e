package grpcserver

import (
	"context"
	"math"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/reflection"

	"github.com/quoratedb/quorate/pkg/budget"
	"github.com/quoratedb/quorate/services/api/internal/calls"
)

const (
	// readBufferBytes is a connection's own: it holds the requests of some fifty clients that share it.
	readBufferBytes = 8 << 10
	// streamWorkers is how many goroutines stay for calls, so that their stacks need not grow again for each. They take
	// turns, so all of their stacks are those of a put, 8 KiB or 16: 1024 held more memory than all else of 100 clients.
	// Calls beyond that get goroutines of their own: a watch that keeps a worker for long does not hold up anybody.
	streamWorkers = 256
	// streamWindowBytes and connectionWindowBytes are how much a client may send ahead of its handler, and of us: the
	// largest request of the default limit, and 80 MB a second at 50 ms. grpc-go's own windows grow by probes, a PING and
	// its answer for every small call (see probe.go for the other direction).
	streamWindowBytes     = 2 << 20
	connectionWindowBytes = 4 << 20
	// headersBytesMax bounds the headers of a call once they are decoded, as for all other requests; grpc-go's own limit is 16 MiB,
	// which a hundredth of that can stand for on the wire, and a call may wait as long as it likes.
	headersBytesMax = 1 << 20
)

// Config says how calls are taken. Zero values mean grpc-go's defaults, except for KeepAlive.
type Config struct {
	// ReceiveBytesMax bounds a message from a client.
	ReceiveBytesMax int
	// ConcurrentStreamsMax bounds the calls under way on one connection.
	ConcurrentStreamsMax uint32
	KeepAlive            KeepAlive
	// Registerer takes the metrics; nil for none.
	Registerer prometheus.Registerer
}

// KeepAlive is etcd's --grpc-keepalive-*.
type KeepAlive struct {
	// MinTime is how often a client may ping; it is disconnected if it does more often. 0 leaves it to grpc-go.
	MinTime time.Duration
	// Interval is how often the server pings an idle client, and Timeout how long it then waits for the answer. Unless
	// both are set the server does not ping.
	Interval, Timeout time.Duration
}

// Server is a grpc.Server with etcd's settings.
type Server struct {
	*grpc.Server
	health *health.Server
}

// New returns a server with the health service and without any other. Finish registering services with Ready.
func New(cfg Config, watched *calls.Calls) *Server {
	waiting := newArrivals(shareOfPlace*int(budget.Places()), cfg.ReceiveBytesMax)
	options := []grpc.ServerOption{
		grpc.Creds(handshaken{}),
		grpc.ForceServerCodecV2(newCodec(cfg.Registerer)),
		grpc.InTapHandle(waiting.come),
		grpc.UnaryInterceptor(func(ctx context.Context, request any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
			waiting.arrived(ctx)
			return watched.Unary(ctx, request, info, handle)
		}),
		grpc.StreamInterceptor(func(service any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handle grpc.StreamHandler) error {
			waiting.arrived(stream.Context())
			return watched.Stream(service, stream, info, handle)
		}),
		grpc.MaxRecvMsgSize(cfg.ReceiveBytesMax),
		grpc.MaxSendMsgSize(math.MaxInt32),
		grpc.MaxConcurrentStreams(cfg.ConcurrentStreamsMax),
		grpc.MaxHeaderListSize(headersBytesMax),
		grpc.ReadBufferSize(readBufferBytes),
		grpc.WriteBufferSize(writeBufferBytes),
		grpc.NumStreamWorkers(streamWorkers),
		grpc.StaticStreamWindowSize(streamWindowBytes),
		grpc.StaticConnWindowSize(connectionWindowBytes),
		grpc.WaitForHandlers(true),
	}
	if cfg.KeepAlive.MinTime > 0 {
		options = append(options, grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: cfg.KeepAlive.MinTime}))
	}
	if cfg.KeepAlive.Interval > 0 && cfg.KeepAlive.Timeout > 0 {
		options = append(options, grpc.KeepaliveParams(keepalive.ServerParameters{
			Time: cfg.KeepAlive.Interval, Timeout: cfg.KeepAlive.Timeout,
		}))
	}
	s := &Server{Server: grpc.NewServer(options...), health: health.NewServer()}
	grpc_health_v1.RegisterHealthServer(s.Server, s.health)
	return s
}

// Ready adds reflection of all services that are registered by now.
func (s *Server) Ready() { reflection.Register(s.Server) }

// Leave tells those who watch the health service that the server is about to stop.
func (s *Server) Leave() { s.health.Shutdown() }
