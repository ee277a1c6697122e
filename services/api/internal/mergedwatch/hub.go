package mergedwatch

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.etcd.io/etcd/api/v3/etcdserverpb"

	"github.com/quoratedb/quorate/pkg/budget"
	"github.com/quoratedb/quorate/pkg/delivery"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/api/internal/forward"
)

const (
	// sessionBytesMax and sessionDeliveriesMax are what one session may be behind with until its watches leave the shared ones.
	sessionBytesMax      = 4 << 20
	sessionDeliveriesMax = 1024
	// queuedBytesMax is what all sessions together may, if memory is not short.
	queuedBytesMax = 256 << 20
)

// Config says whose watches these are. All fields but Namespace, Registerer and Name are required.
type Config struct {
	Client    etcdserverpb.WatchClient
	Namespace forward.Namespace
	// Name returns the user whom a token has shown, "" where that is not known: then only callers with the same token are equal.
	Name func(token string) string
	// Newest is the newest revision that any answer of the cluster has shown.
	Newest func() int64
	// Away tells that no member can be reached, and returns what is closed when that may have changed.
	Away func() (away bool, changed <-chan struct{})
	// LeaderLossTime is how long that may be so until watches end that want a leader.
	LeaderLossTime time.Duration
	Logger         *slog.Logger
	Registerer     prometheus.Registerer
}

// Hub has all watches. Create it with New and Run it once; sessions may be opened before.
type Hub struct {
	config Config
	// base is the life of the watches of the cluster.
	base    context.Context
	end     context.CancelFunc
	running sync.WaitGroup

	queued    atomic.Int64 // bytes, of all sessions
	queuedMax int64
	open      atomic.Int64 // watches of clients
	upstream  atomic.Int64 // watches of the cluster

	mu struct {
		sync.Mutex
		shared map[kind]*group
		closed bool
	}
}

// kind is what makes watches equal.
type kind struct {
	who, key, end           string
	noPut, noDelete, prevKV bool
}

// New returns a hub without watches.
func New(config Config) *Hub {
	h := &Hub{config: config, queuedMax: min(queuedBytesMax, budget.Limit()/8)}
	h.base, h.end = context.WithCancel(context.Background())
	h.mu.shared = make(map[kind]*group)
	if config.Registerer != nil {
		config.Registerer.MustRegister(
			prometheus.NewGaugeFunc(prometheus.GaugeOpts{
				Name: "quorate_proxy_client_watches", Help: "Watches of clients of this proxy.",
			}, func() float64 { return float64(h.open.Load()) }),
			prometheus.NewGaugeFunc(prometheus.GaugeOpts{
				Name: "quorate_proxy_upstream_watches", Help: "Watches of this proxy at the cluster, which stand for those of clients.",
			}, func() float64 { return float64(h.upstream.Load()) }),
			prometheus.NewGaugeFunc(prometheus.GaugeOpts{
				Name: "quorate_proxy_watch_queued_bytes", Help: "Events that clients of this proxy have not taken yet; those that several wait for count for each.",
			}, func() float64 { return float64(h.queued.Load()) }),
		)
	}
	return h
}

// Run ends all watches when ctx ends, and returns when they have.
func (h *Hub) Run(ctx context.Context) {
	<-ctx.Done()
	h.mu.Lock()
	h.mu.closed = true
	h.mu.Unlock()
	h.end()
	h.running.Wait()
}

// Open returns the session of one client's stream, whose caller is given.
func (h *Hub) Open(caller *consensusv1.Caller, wantsLeader bool) delivery.Session {
	name := ""
	if h.config.Name != nil && caller.GetToken() != "" {
		name = h.config.Name(caller.GetToken())
	}
	return newSession(h, caller, forward.Who(caller, name, wantsLeader), wantsLeader)
}

// start has a watch be told events from its next revision on: by the shared watch, or by one of its own.
func (h *Hub) start(s *sub) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.mu.closed {
		s.session.fail(errStopped)
		return
	}
	shared := h.mu.shared[s.kind]
	if shared != nil && shared.take(s) {
		return
	}
	g := newGroup(h, s)
	if g.only() == nil {
		g.end()
		return // its client has left
	}
	if shared == nil && s.next > h.config.Newest() {
		g.shared.Store(true)
		h.mu.shared[s.kind] = g
	}
	g.run()
}

// rejoin has the one watch of a group that has caught up go over to the shared one, or makes the group the shared one where there is none.
func (h *Hub) rejoin(g *group) {
	h.mu.Lock()
	defer h.mu.Unlock()
	shared := h.mu.shared[g.kind]
	if shared == nil {
		if g.alive() {
			g.shared.Store(true)
			h.mu.shared[g.kind] = g
		}
		return
	}
	if s := g.only(); s != nil && shared.take(s) {
		g.release(s)
	}
}

// forget has nobody share a group any more.
func (h *Hub) forget(g *group) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.mu.shared[g.kind] == g {
		delete(h.mu.shared, g.kind)
	}
}
