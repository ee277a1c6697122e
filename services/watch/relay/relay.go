package relay

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/quoratedb/quorate/pkg/budget"
	"github.com/quoratedb/quorate/pkg/delivery"
	"github.com/quoratedb/quorate/pkg/rpc/resolver"
	"github.com/quoratedb/quorate/services/watch/relay/internal/groups"
)

// Config says what a Relay works with. All but Nodes has a default, taken where it is zero.
type Config struct {
	// Nodes are the watch nodes.
	Nodes *resolver.Set
	// Other tells whether what a node says of its store is certainly another one than is there. Nil, the default, takes all for the same.
	Other func(store []byte) bool
	// Logger receives what operators should know. Default: nowhere.
	Logger *slog.Logger
	// Registerer receives the metrics. Default: nowhere.
	Registerer prometheus.Registerer
	// ProgressInterval is how long a watch that asked for progress may hear nothing before it is told so; it takes up
	// to twice as long. Default: 10 minutes.
	ProgressInterval time.Duration
	// SessionDeliveriesMax and SessionBytesMax bound what waits for one client. Default: 1024 and 1 MiB.
	SessionDeliveriesMax int
	SessionBytesMax      int
	// RecentBytesMax bounds the recent deliveries in memory, from which watches that fell behind catch up first.
	// Default: budget.WatchRecent.
	RecentBytesMax int
	// ReadsMax bounds the reads of the past that run at once. Default: 64.
	ReadsMax int
}

func (c Config) withDefaults() Config {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	set(&c.ProgressInterval, 10*time.Minute)
	set(&c.SessionDeliveriesMax, 1024)
	set(&c.SessionBytesMax, 1<<20)
	set(&c.RecentBytesMax, budget.WatchRecent)
	set(&c.ReadsMax, 64)
	return c
}

func set[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Relay holds the watches of an API node's clients.
//
// Which of them is at which node, and what of what a node tells is for which, the table knows (package groups).
//
// Locks: the relay's comes before a session's, and that before a link's. Nothing is sent, read or waited for under any.
type Relay struct {
	cfg    Config
	counts counts
	reads  *reads
	// life ends with Run.
	life context.Context
	end  context.CancelFunc
	ran  atomic.Bool
	mu   struct {
		sync.Mutex
		stopped  bool
		sessions map[*Session]struct{}
		table    *groups.Table
		links    map[*resolver.Node]*link
		// awaiting are the sessions with open progress requests.
		awaiting map[*Session]struct{}
	}
}

// counts are what a relay counts where it would cost too much to ask a metric.
type counts struct {
	// pending events wait in queues, delivered ones were handed out.
	pending, delivered atomic.Int64
}

// New returns a relay that Run sets to work. It fails if a metric cannot be registered.
func New(cfg Config) (*Relay, error) {
	cfg = cfg.withDefaults()
	r := &Relay{cfg: cfg}
	r.life, r.end = context.WithCancel(context.Background())
	r.reads = newReads(r.life, cfg.ReadsMax)
	r.mu.sessions = make(map[*Session]struct{})
	r.mu.table = groups.NewTable(cfg.RecentBytesMax)
	r.mu.links = make(map[*resolver.Node]*link)
	r.mu.awaiting = make(map[*Session]struct{})
	if cfg.Registerer != nil {
		for _, collector := range r.collectors() {
			if err := cfg.Registerer.Register(collector); err != nil {
				return nil, fmt.Errorf("watch relay: register metric: %w", err)
			}
		}
	}
	return r, nil
}

// Run keeps a link to every watch node until ctx ends, and returns nil once everything that it started has ended. All
// sessions are closed by then. It may be called once.
func (r *Relay) Run(ctx context.Context) error {
	if !r.ran.CompareAndSwap(false, true) {
		return errors.New("watch relay: Run was called before")
	}
	var links sync.WaitGroup
	defer links.Wait()
	defer r.stop()
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		return r.cfg.Nodes.Run(ctx, func(found []*resolver.Node) { r.follow(ctx, found, &links) })
	})
	group.Go(func() error {
		r.pace(ctx)
		return nil
	})
	return group.Wait()
}

// follow begins links to nodes that are new and ends those to nodes that are gone.
func (r *Relay) follow(ctx context.Context, found []*resolver.Node, running *sync.WaitGroup) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for node, l := range r.mu.links {
		if !slices.Contains(found, node) {
			l.end()
			r.mu.table.RemoveNode(l.known)
			delete(r.mu.links, node)
		}
	}
	for _, node := range found {
		if r.mu.links[node] == nil {
			l := newLink(ctx, r, r.cfg.Logger, node)
			r.mu.table.AddNode(l.known)
			r.mu.links[node] = l
			running.Go(l.run)
		}
	}
}

// stop closes all sessions, also those that will be opened.
func (r *Relay) stop() {
	r.end()
	r.mu.Lock()
	r.mu.stopped = true
	sessions := slices.Collect(maps.Keys(r.mu.sessions))
	r.mu.Unlock()
	for _, s := range sessions {
		s.Close()
	}
	r.reads.stop()
}

// Open starts a session, which the caller must close. It may be called before Run, and then waits for it; after Run
// the session is closed from the start.
func (r *Relay) Open() delivery.Session {
	s := newSession(r)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.mu.stopped {
		s.mu.closed = true
		s.end()
		return s
	}
	r.mu.sessions[s] = struct{}{}
	return s
}

// Check fails while there is no watch node to be reached.
func (r *Relay) Check(context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.mu.table.NodesUp() > 0 {
		return nil
	}
	return fmt.Errorf("none of %d watch nodes is to be reached", len(r.mu.links))
}

// pace does what is due by the clock until ctx ends: progress for watches that asked for it and have heard nothing, and
// moves to nodes that have been up for a while.
func (r *Relay) pace(ctx context.Context) {
	progress := time.NewTicker(r.cfg.ProgressInterval)
	defer progress.Stop()
	settle := time.NewTicker(groups.SettleTime / 2)
	defer settle.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-progress.C:
			r.change((*groups.Table).TellQuiet)
		case now := <-settle.C:
			r.change(func(t *groups.Table) { t.Settle(now) })
		}
	}
}

func (r *Relay) change(change func(*groups.Table)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change(r.mu.table)
}
