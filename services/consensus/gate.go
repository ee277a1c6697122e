package consensus

import "sync"

// gate lets readers use the state store until it is about to be closed or replaced, and lets whoever does that wait
// for them. Passing it twice in one call could deadlock with the waiter.
type gate struct {
	mu     sync.RWMutex
	closed bool

	signal struct {
		sync.Mutex
		hurry chan struct{}
	}
}

func newGate() *gate {
	g := &gate{}
	g.signal.hurry = make(chan struct{})
	return g
}

// enter reports whether the store may be used; if so, leave must follow.
func (g *gate) enter() bool {
	g.mu.RLock()
	if g.closed {
		g.mu.RUnlock()
		return false
	}
	return true
}

func (g *gate) leave() { g.mu.RUnlock() }

// hurry is closed when somebody waits for those inside: calls that may last should end then.
func (g *gate) hurry() <-chan struct{} {
	g.signal.Lock()
	defer g.signal.Unlock()
	return g.signal.hurry
}

// replace runs fn while nobody is inside. Those who come meanwhile wait.
func (g *gate) replace(fn func() error) error {
	g.signal.Lock()
	close(g.signal.hurry)
	g.signal.Unlock()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.signal.Lock()
	g.signal.hurry = make(chan struct{})
	g.signal.Unlock()
	return fn()
}

// close keeps newcomers out and waits until everyone has left.
func (g *gate) close() {
	_ = g.replace(func() error {
		g.closed = true
		return nil
	})
}
