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

const (
	// reconnectPauseMin and reconnectPauseMax bound the doubling pause between attempts to reach a node. The longest is
	// how long a node that came back may wait to be used.
	reconnectPauseMin = 50 * time.Millisecond
	reconnectPauseMax = time.Second
	// steadyTime is how long a stream must have lasted for its end to be no reason for longer pauses: a node that answers
	// and breaks at once is met no more often than one that does not answer.
	steadyTime = 5 * time.Second
	// connectTimeout bounds the wait for a node's first word.
	connectTimeout = 3 * time.Second
	// missingInterval is how often it is said that a node is missing.
	missingInterval = 10 * time.Second
)

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
		view *View[S]
		// listed are the nodes there are, and kept those with a goroutine that keeps a stream to them. A node that is listed
		// no more is kept until its stream breaks, and so is not met a second time if it comes back before.
		listed, kept map[place]bool
	}
}

// place is where a node is: the resolver.Set may find the same one again as another resolver.Node.
type place struct{ url, address string }

func placeOf(n *resolver.Node) place { return place{n.URL, n.Address} }

// View is the nodes that can be called at one moment. It is immutable.
type View[S any] struct {
	Backends []*Backend[S]
	// Changed is closed when there is another view.
	Changed <-chan struct{}

	changed chan struct{}
}

// Member is a connected node and where it stands.
type Backend[S any] struct {
	Node     *resolver.Node
	Standing S
	conn     *batching.Conn
}

// New makes a fleet that knows no node yet.
func New[S any](config Config[S]) *Balancer[S] {
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	f := &Balancer[S]{config: config}
	f.mu.view, f.mu.kept = newView[S](nil), map[place]bool{}
	return f
}

func newView[S any](members []*Backend[S]) *View[S] {
	v := &View[S]{Backends: members, changed: make(chan struct{})}
	v.Changed = v.changed
	return v
}

// View returns the nodes that can be called now.
func (f *Balancer[S]) View() *View[S] {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.mu.view
}

// replace puts a member in the place of another: nil for none.
func (f *Balancer[S]) replace(old, with *Backend[S]) {
	f.mu.Lock()
	defer f.mu.Unlock()
	members := slices.Clone(f.mu.view.Backends)
	at := slices.Index(members, old)
	switch {
	case at >= 0 && with != nil:
		members[at] = with
	case at >= 0:
		members = slices.Delete(members, at, at+1)
	case with != nil:
		members = append(members, with)
	}
	before := f.mu.view
	f.mu.view = newView(members)
	close(before.changed)
}

// Run keeps a stream to every node until ctx ends.
func (f *Balancer[S]) Run(ctx context.Context) error {
	var running sync.WaitGroup
	defer running.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	return f.config.Nodes.Run(ctx, func(now []*resolver.Node) { f.follow(ctx, now, &running) })
}

// follow begins to keep streams to nodes that are new.
func (f *Balancer[S]) follow(ctx context.Context, now []*resolver.Node, running *sync.WaitGroup) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.mu.listed = map[place]bool{}
	for _, n := range now {
		f.mu.listed[placeOf(n)] = true
		if !f.mu.kept[placeOf(n)] {
			f.mu.kept[placeOf(n)] = true
			running.Go(func() { f.keep(ctx, n) })
		}
	}
}

// gone tells whether a node is listed no more, and gives it up then.
func (f *Balancer[S]) gone(n *resolver.Node) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.mu.listed[placeOf(n)] {
		return false
	}
	delete(f.mu.kept, placeOf(n))
	return true
}

// keep keeps a stream to a node until ctx ends, or it breaks when the node is no longer listed.
func (f *Balancer[S]) keep(ctx context.Context, n *resolver.Node) {
	defer n.Close()
	pause := reconnectPauseMin
	var missing, said time.Time // since when it is, and when that was said last
	for ctx.Err() == nil {
		began := time.Now()
		connected, err := f.connect(ctx, n)
		if ctx.Err() != nil || f.gone(n) {
			return
		}
		if connected || missing.IsZero() {
			missing, said = time.Now(), time.Time{}
		}
		if connected && time.Since(began) >= steadyTime {
			pause = reconnectPauseMin
		}
		if time.Since(said) >= missingInterval {
			said = time.Now()
			f.config.Logger.Warn("no connection to a node", "service", f.config.Service, "endpoint", n.URL, "address", n.Address, "since", missing, "error", err)
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
		pause = min(2*pause, reconnectPauseMax)
	}
}

// connect opens a stream and carries calls on it until it breaks, and returns whether the node ever spoke.
func (f *Balancer[S]) connect(ctx context.Context, n *resolver.Node) (connected bool, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	late := time.AfterFunc(connectTimeout, func() {
		cancel(fmt.Errorf("it said nothing for %s", connectTimeout))
	})
	defer late.Stop()
	var conn *batching.Conn
	var member *Backend[S] // owned by whoever receives, while there is one
	stream, err := f.config.Open(ctx, n, func(standing S) {
		before := member
		member = &Backend[S]{Node: n, Standing: standing, conn: conn}
		f.replace(before, member)
		if before == nil && late.Stop() {
			f.config.Logger.Info("connected to a node", "service", f.config.Service, "endpoint", n.URL, "address", n.Address)
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
	if member != nil {
		f.replace(member, nil)
	}
	return member != nil, err
}
