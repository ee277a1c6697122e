package consensus

import "sync"

// gate lets readers use the state store until it is about to be closed, and lets the closer wait for them. Passing
// it twice in one call could deadlock with the closer.
type gate struct {
	mu     sync.RWMutex
	closed bool
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

// close keeps newcomers out and waits until everyone has left.
func (g *gate) close() {
	g.mu.Lock()
	g.closed = true
	g.mu.Unlock()
}
