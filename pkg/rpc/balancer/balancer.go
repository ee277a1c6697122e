package balancer

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/quoratedb/quorate/pkg/rpc/batching"
	"github.com/quoratedb/quorate/pkg/rpc/resolver"
)

// connectTimeout bounds the wait for a node's first word.
const connectTimeout = 3 * time.Second

// Config says which nodes there are and how to speak to them. S is where a node stands, as it says itself.
type Config[S any] struct {
	// Service is what the log calls it.
	Service string
	Nodes   *resolver.Set
	// Open opens a stream to a node, which ends with ctx. told is called with every standing, before the answers that
	// came with it are returned.
	Open func(ctx context.Context, n *resolver.Node, told func(S)) (batching.Stream, error)
	// CallTimeout bounds calls whose callers would wait longer, and the wait for a node of those that may be long; 0 for none.
	CallTimeout time.Duration
	Logger      *slog.Logger // nil for none
}

// Balancer is a service's nodes. Its methods may be called concurrently, also before Run, and then wait for it.
type Balancer[S any] struct {
	config Config[S]

	mu struct {
		sync.Mutex
		view   *View[S]
		places places
	}
}

func placeOf(n *resolver.Node) place { return place{n.URL, n.Address} }

// View is the nodes that can be called at one moment. It is immutable.
type View[S any] struct {
	Backends []*Backend[S]
	// Changed is closed when there is another view.
	Changed <-chan struct{}

	changed chan struct{}
}

// Backend is a connected node and where it stands.
type Backend[S any] struct {
	Node     *resolver.Node
	Standing S
	conn     *batching.Conn
}

// New makes a balancer that knows no node yet.
func New[S any](config Config[S]) *Balancer[S] {
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	b := &Balancer[S]{config: config}
	b.mu.view, b.mu.places = newView[S](nil), newPlaces()
	return b
}

func newView[S any](backends []*Backend[S]) *View[S] {
	v := &View[S]{Backends: backends, changed: make(chan struct{})}
	v.Changed = v.changed
	return v
}

// View returns the nodes that can be called now.
func (b *Balancer[S]) View() *View[S] {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.mu.view
}

// replace puts a backend in the place of another: nil for none.
func (b *Balancer[S]) replace(old, with *Backend[S]) {
	b.mu.Lock()
	defer b.mu.Unlock()
	backends := slices.Clone(b.mu.view.Backends)
	at := slices.Index(backends, old)
	switch {
	case at >= 0 && with != nil:
		backends[at] = with
	case at >= 0:
		backends = slices.Delete(backends, at, at+1)
	case with != nil:
		backends = append(backends, with)
	}
	before := b.mu.view
	b.mu.view = newView(backends)
	close(before.changed)
}

// Run keeps a stream to every node until ctx ends.
func (b *Balancer[S]) Run(ctx context.Context) error {
	var running sync.WaitGroup
	defer running.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	return b.config.Nodes.Run(ctx, func(now []*resolver.Node) { b.follow(ctx, now, &running) })
}

// follow begins to keep streams to nodes that are new.
func (b *Balancer[S]) follow(ctx context.Context, now []*resolver.Node, running *sync.WaitGroup) {
	where := make([]place, len(now))
	for i, n := range now {
		where[i] = placeOf(n)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, i := range b.mu.places.list(where) {
		running.Go(func() { b.keep(ctx, now[i]) })
	}
}

// broke tells whether a node's broken stream is to be opened again.
func (b *Balancer[S]) broke(n *resolver.Node) (again bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.mu.places.broke(placeOf(n))
}

// keep keeps a stream to a node until ctx ends, or it breaks when the node is no longer listed.
func (b *Balancer[S]) keep(ctx context.Context, n *resolver.Node) {
	defer n.Close()
	var attempts attempts
	for ctx.Err() == nil {
		began := time.Now()
		spoke, err := b.connect(ctx, n)
		if ctx.Err() != nil || !b.broke(n) {
			return
		}
		pause, say := attempts.ended(time.Now(), spoke, time.Since(began))
		if say {
			b.config.Logger.Warn("no connection to a node", "service", b.config.Service, "endpoint", n.URL, "address", n.Address, "since", attempts.since, "error", err)
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
	}
}

// connect opens a stream and carries calls on it until it breaks, and returns whether the node ever spoke.
func (b *Balancer[S]) connect(ctx context.Context, n *resolver.Node) (connected bool, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	late := time.AfterFunc(connectTimeout, func() {
		cancel(fmt.Errorf("it said nothing for %s", connectTimeout))
	})
	defer late.Stop()
	var conn *batching.Conn
	var backend *Backend[S] // owned by whoever receives, while there is one
	stream, err := b.config.Open(ctx, n, func(standing S) {
		before := backend
		backend = &Backend[S]{Node: n, Standing: standing, conn: conn}
		b.replace(before, backend)
		if before == nil && late.Stop() {
			b.config.Logger.Info("connected to a node", "service", b.config.Service, "endpoint", n.URL, "address", n.Address)
		}
	})
	if err != nil {
		return false, err
	}
	conn = batching.NewConn(stream)
	err = conn.Run(ctx)
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	if backend != nil {
		b.replace(backend, nil)
	}
	return backend != nil, err
}
