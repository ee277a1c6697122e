package watch

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync/atomic"
	"time"

	"github.com/quoratedb/quorate/pkg/delivery"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	watchv1 "github.com/quoratedb/quorate/pkg/gen/quorate/watch/v1"
	"github.com/quoratedb/quorate/services/watch/internal/broadcast"
	"github.com/quoratedb/quorate/services/watch/internal/election"
	"github.com/quoratedb/quorate/services/watch/internal/ingest"
	"github.com/quoratedb/quorate/services/watch/internal/natspublisher"
	"github.com/quoratedb/quorate/services/watch/internal/node"
	"github.com/quoratedb/quorate/services/watch/rpc"
	"golang.org/x/sync/errgroup"
)

// positionRetryWait is how long Run waits before it asks again where consensus is.
const positionRetryWait = 100 * time.Millisecond

// Service is an ingester and a watch node with the broadcast between them.
type Service struct {
	cfg     Config
	node    *node.Node
	metrics *ingest.Metrics
	running atomic.Bool
	// probe is there with Routes only.
	probe     *probe
	bus       atomic.Pointer[broadcast.Bus] // once Run has opened it; there with Routes or Users only
	listening chan struct{}
	ingesting atomic.Bool
	cluster   atomic.Uint64 // the store's id
	duties    atomic.Int64  // how often this node began to ingest
	// endIngest ends the ingesting under way, which begins anew if it is still for this node to do.
	endIngest atomic.Pointer[context.CancelFunc]
	// store is the identity of the store that the node's position is of, once somebody asked for it.
	store atomic.Pointer[[]byte]
	// source, set by tests, stands between the broadcast and the node.
	source func(node.Source) node.Source
}

// New returns a service that Run sets to work. It fails if the configuration is wrong or a metric cannot be registered.
func New(cfg Config) (*Service, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, fmt.Errorf("watch service: %w", err)
	}
	s := &Service{
		cfg: cfg,
		node: node.New(node.Config{
			Logger:                cfg.Logger,
			History:               cfg.Feed,
			ProgressInterval:      cfg.ProgressInterval,
			RingBytesMax:          cfg.RingBytesMax,
			SessionDeliveriesMax:  cfg.SessionDeliveriesMax,
			SessionBytesMax:       cfg.SessionBytesMax,
			AttachedDeliveriesMax: cfg.AttachedDeliveriesMax,
			AttachedBytesMax:      cfg.AttachedBytesMax,
			DeliveryBytesMax:      cfg.DeliveryBytesMax,
			ReadsMax:              cfg.ReadsMax,
		}),
		metrics: ingest.NewMetrics(),
		source:  func(s node.Source) node.Source { return s },

		listening: make(chan struct{}),
	}
	if cfg.Users == nil {
		close(s.listening)
	}
	if cfg.Identity != nil {
		s.source = func(from node.Source) node.Source {
			return &sameStore{Source: from, other: cfg.Identity.Other, log: cfg.Logger}
		}
	}
	if cfg.Routes != nil {
		s.probe = &probe{
			log: cfg.Logger, feed: cfg.Feed.(ConfirmedFeed), position: s.node.Position, reach: s.node.Reach, start: time.Now(),
			wentBack: s.restart,
		}
	}
	if err := s.register(); err != nil {
		return nil, fmt.Errorf("watch service: %w", err)
	}
	return s, nil
}

func (s *Service) register() error {
	if s.cfg.Registerer == nil {
		return nil
	}
	for _, collector := range slices.Concat(s.node.Collectors(), s.metrics.Collectors(), s.collectors()) {
		if err := s.cfg.Registerer.Register(collector); err != nil {
			return fmt.Errorf("register metric: %w", err)
		}
	}
	return nil
}

// Open starts a session, which the caller must close. It may be called before Run, and then waits for it; after Run
// the session is closed from the start.
func (s *Service) Open() delivery.Session { return s.node.Open() }

// Attach starts the session of an API node, under the same conditions as Open.
func (s *Service) Attach() rpc.Attached { return s.node.Attach() }

// Read reads a stretch of the past for an API node. Its errors are consensus'.
func (s *Service) Read(ctx context.Context, req *watchv1.ReadRequest) (*watchv1.ReadResponse, error) {
	return s.node.Read(ctx, req)
}

// StoreReplaced ends all sessions, and has the node begin anew where the store is: it is another store, or was
// restored from an earlier state.
func (s *Service) StoreReplaced() {
	ctx, cancel := context.WithTimeout(context.Background(), probeTimeout)
	defer cancel()
	position, err := s.cfg.Feed.Position(ctx, &consensusv1.PositionRequest{})
	if err != nil {
		s.cfg.Logger.Warn("the store that replaced another does not tell its position yet", "error", err)
	} else {
		s.cluster.Store(position.GetClusterId())
	}
	s.restart(position.GetRevision())
}

// restart begins anew from a revision, also with ingesting.
func (s *Service) restart(revision int64) {
	s.node.Restart(revision)
	s.store.Store(nil)
	if s.probe != nil {
		s.probe.newest.Store(0)
	}
	if end := s.endIngest.Load(); end != nil {
		(*end)()
	}
}

// Store is the identity of the store that the node's position is of, nil if it is not known. Whoever tells a position with it asks
// for it first: what comes between is then told as of the store before, which nobody takes.
func (s *Service) Store() []byte {
	if s.cfg.Identity == nil {
		return nil
	}
	if s.store.Load() == nil {
		if now := s.cfg.Identity.Identity(); now != nil {
			s.store.CompareAndSwap(nil, &now)
		}
	}
	if known := s.store.Load(); known != nil {
		return *known
	}
	return nil
}

// Well tells whether the node is of use: one that does not hear consensus cannot read the past, and watches are better
// off elsewhere.
func (s *Service) Well() bool { return s.probe == nil || s.probe.well() }

// Run serves watches until ctx ends, and returns nil once everything that it started has ended. All sessions are
// closed by then. It fails if the broadcast does, and may be called once.
func (s *Service) Run(ctx context.Context) error {
	if !s.running.CompareAndSwap(false, true) {
		return errors.New("watch service: Run was called before")
	}
	err := s.run(ctx)
	if ctx.Err() != nil {
		return nil
	}
	return fmt.Errorf("watch service: %w", err)
}

func (s *Service) run(ctx context.Context) error {
	defer s.node.Stop() // also if it never began
	revision, err := s.position(ctx)
	if err != nil {
		return err
	}
	if s.cfg.Routes == nil && s.cfg.Users == nil {
		return s.runAlone(ctx, revision)
	}
	bus, err := broadcast.Open(broadcast.Config{
		Logger:          s.cfg.Logger,
		PayloadBytesMax: s.cfg.PayloadBytesMax,
		Routes:          s.cfg.Routes,
		Users:           s.cfg.Users,
	})
	if err != nil {
		return err
	}
	defer bus.Close() // after all who use it have ended
	s.bus.Store(bus)
	if s.cfg.Users != nil {
		close(s.listening)
	}
	group, ctx := errgroup.WithContext(ctx)
	s.follow(ctx, group, bus, revision)
	if s.cfg.Users != nil && s.cfg.FollowUsers != nil {
		group.Go(func() error { return s.cfg.FollowUsers(ctx, bus.Server().ReviewUsers) })
	}
	if s.cfg.Routes == nil {
		group.Go(func() error { return s.newIngester(bus, bus).Run(ctx, revision) })
		return group.Wait()
	}
	group.Go(func() error { return bus.Server().FollowRoutes(ctx) })
	s.probe.answers = func() bool { return s.ingesting.Load() && bus.Interested() }
	group.Go(func() error { return s.probe.run(ctx) })
	group.Go(func() error {
		return election.New(election.Config{
			Logger:  s.cfg.Logger,
			Channel: bus,
			Able:    s.probe.able,
			Work:    func(ctx context.Context) { s.ingest(ctx, bus) },
		}).Run(ctx)
	})
	return group.Wait()
}

// runAlone is run where no other process takes part: then there is no NATS.
func (s *Service) runAlone(ctx context.Context, revision int64) error {
	local := broadcast.NewLocal(s.cfg.PayloadBytesMax)
	defer local.Close() // after all who use it have ended
	group, ctx := errgroup.WithContext(ctx)
	s.follow(ctx, group, local, revision)
	group.Go(func() error { return s.newIngester(local, nil).Run(ctx, revision) })
	return group.Wait()
}

// follow has the node follow the broadcast.
func (s *Service) follow(ctx context.Context, group *errgroup.Group, from broadcast.Broadcast, revision int64) {
	group.Go(func() error { return s.node.Run(ctx, s.source(from), revision) })
	group.Go(func() error { return s.node.Pace(ctx, from) })
}

// newIngester returns an ingester for the broadcast, and for users where bus is theirs, which is nil where there are none.
func (s *Service) newIngester(to broadcast.Broadcast, bus *broadcast.Bus) *ingest.Ingester {
	made := ingest.Config{
		Logger:            s.cfg.Logger,
		Feed:              s.cfg.Feed,
		Publisher:         to,
		Metrics:           s.metrics,
		HeartbeatInterval: s.cfg.HeartbeatInterval,
		BatchBytesMax:     s.cfg.BatchBytesMax,
		QueueBytesMax:     s.cfg.IngestBytesMax,
		Store:             s.Store(),
	}
	if bus != nil {
		made.Wanted = bus.Users
		made.Outside = &natspublisher.Publisher{
			Logger: s.cfg.Logger, Conn: bus, Cluster: s.cluster.Load(), PayloadBytesMax: s.cfg.PayloadBytesMax,
		}
	}
	return ingest.New(made)
}

// Listening is closed once users' NATS clients are let in, from the start where there are none.
func (s *Service) Listening() <-chan struct{} { return s.listening }

// UsersAddress is where users' NATS clients come in, nil if nowhere or before Run has got so far.
func (s *Service) UsersAddress() net.Addr {
	if bus := s.bus.Load(); bus != nil {
		return bus.Server().UsersAddress()
	}
	return nil
}

// ingestBehindMax is how far back an ingester begins at most. Nodes that are further behind read for themselves.
const ingestBehindMax = 10_000

// ingest publishes from where this node is, which is about where the last ingester ended: what the others have heard
// already they pass over.
func (s *Service) ingest(ctx context.Context, bus *broadcast.Bus) {
	s.duties.Add(1)
	s.ingesting.Store(true)
	defer s.ingesting.Store(false)
	for ctx.Err() == nil {
		running, end := context.WithCancel(ctx)
		s.endIngest.Store(&end)
		ingester := s.newIngester(bus, bus) // first, see Store
		after := max(s.node.Position(), s.probe.newest.Load()-ingestBehindMax)
		_ = ingester.Run(running, after) // it ends with its context
		end()
	}
}

// position asks consensus for the newest revision until it knows.
func (s *Service) position(ctx context.Context) (int64, error) {
	for {
		resp, err := s.cfg.Feed.Position(ctx, &consensusv1.PositionRequest{})
		if err == nil {
			s.cluster.Store(resp.ClusterId)
			return resp.Revision, nil
		}
		s.cfg.Logger.Warn("consensus does not tell its position yet", "error", err)
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-time.After(positionRetryWait):
		}
	}
}
