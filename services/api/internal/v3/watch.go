package v3

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/quoratedb/quorate/pkg/budget"
	"github.com/quoratedb/quorate/pkg/delivery"
	"github.com/quoratedb/quorate/services/api/internal/auth"
	"github.com/quoratedb/quorate/services/api/internal/ratelimit"
)

// A watch stream is two goroutines and a session of the watch service:
//
//	client ─► reader ─► session: add, remove, progress
//	             └────► controls (created, canceled) ─► sender ─► client
//	                    session: next                ─►
//
// The sender is the handler's own goroutine and the only one that sends. It waits in the session's Next, and a control
// wakes it from there (see waker), so that no delivery crosses a further goroutine.
//
// A watch's created answer enters the queue of controls before the session hears of the watch, and the sender empties
// the queue before each delivery. So no event overtakes the answer. To the session a watch has an id that is never used
// twice, so that deliveries that were on their way when a watch was cancelled are not taken for its successor's.

const (
	// controlsMax bounds the answers that wait for the sender. The reader waits when there are more, and the client
	// with it.
	controlsMax = 16
	// messageOverheadBytes is what etcd allows a message above the largest request. Fragments stay below the sum.
	messageOverheadBytes = 512 << 10
	// everyWatch is the watch id of answers that are for no watch in particular.
	everyWatch = -1
)

// WatchServer is etcd's Watch service.
type WatchServer struct {
	etcdserverpb.UnsafeWatchServer
	*backend
	open          func(context.Context) delivery.Session
	follower      *auth.Follower
	rates         *ratelimit.Limiter // nil where nothing is limited
	watches       *budget.Shared
	fragmentBytes int
	encoded       bool
}

func newWatchServer(back *backend, config Config) *WatchServer {
	return &WatchServer{
		backend:       back,
		open:          func(context.Context) delivery.Session { return config.Watch.Open() },
		follower:      config.Follower,
		rates:         config.Rates,
		watches:       newOpenWatches(),
		fragmentBytes: int(config.MaxRequestBytes) + messageOverheadBytes,
		encoded:       config.EncodedWatch,
	}
}

// WatchConfig says what watches stand on where nothing else of the store is in reach: in front of another server. All of it is required.
type WatchConfig struct {
	Place      Place
	Authorizer auth.Authorizer
	Follower   *auth.Follower
	// Open opens the session of a stream whose context is given.
	Open            func(context.Context) delivery.Session
	Logger          *slog.Logger
	MaxRequestBytes uint
	RequestTimeout  time.Duration
}

// NewWatch returns the Watch service alone, with EncodedWatch.
func NewWatch(config WatchConfig) *WatchServer {
	return &WatchServer{
		backend: &backend{
			place: config.Place, logger: config.Logger, timeout: config.RequestTimeout, gate: auth.NewGate(config.Authorizer, config.RequestTimeout, config.Logger),
		},
		open:          config.Open,
		follower:      config.Follower,
		watches:       newOpenWatches(),
		fragmentBytes: int(config.MaxRequestBytes) + messageOverheadBytes,
		encoded:       true,
	}
}

// StoreReplaced has headers name the member that answers now: it is another one than before. It asks for no longer than until ctx ends.
func (s *WatchServer) StoreReplaced(ctx context.Context) { s.forget(ctx) }

// Watch serves one client's stream until the client or the watch service ends it. A client that only closes its side
// goes on receiving.
func (s *WatchServer) Watch(stream grpc.BidiStreamingServer[etcdserverpb.WatchRequest, etcdserverpb.WatchResponse]) error {
	id, err := s.whoAmI(stream.Context())
	if err != nil {
		return err
	}
	ctx, end := context.WithCancelCause(stream.Context())
	defer end(nil)
	session := s.open(stream.Context())
	defer session.Close()

	queue := newControlQueue(ctx)
	ids := newWatchIDs(s.watches, budget.WatchesOf(stream.Context()))
	defer ids.close()
	reader := &watchReader{server: s, stream: stream, session: session, ids: ids, queue: queue}
	// Nobody can wait for the reader: what it waits in, Recv, returns when this handler has. It holds nothing that
	// outlives the stream.
	go func() {
		if err := reader.run(ctx); err != nil {
			end(err)
		}
	}()
	sender := newWatchSender(s, session, stream, id, ids, queue)
	defer s.follower.OnChange(queue.wakeUp)()
	guard, stop := newGuard(ctx, queue.wakeUp)
	defer stop()
	sender.guard = guard
	return s.streamError(stream.Context(), sender.run(ctx))
}

// streamError says why a stream ended in etcd's words.
func (s *WatchServer) streamError(client context.Context, err error) error {
	if errors.Is(client.Err(), context.Canceled) || errors.Is(err, context.Canceled) || status.Code(err) == codes.Canceled {
		return rpctypes.ErrGRPCWatchCanceled
	}
	return s.failure(client, err)
}
