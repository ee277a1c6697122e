package ingress

import (
	"net/http"
	"sync"
)

// gate knows which requests are in a handler, which net/http's own Close does not wait for.
type gate struct {
	mu struct {
		sync.Mutex
		closed bool
		inside int
	}
	// empty is closed when the gate is and nobody is inside.
	empty chan struct{}
}

func newGate() *gate { return &gate{empty: make(chan struct{})} }

// guard lets requests through to next until the gate closes.
func (g *gate) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !g.enter() {
			http.Error(w, "server stopped", http.StatusServiceUnavailable)
			return
		}
		defer g.leave()
		next.ServeHTTP(w, r)
	})
}

func (g *gate) enter() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.mu.closed {
		return false
	}
	g.mu.inside++
	return true
}

func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.mu.inside--
	g.signalIfEmptyLocked()
}

// close lets nobody in any more and returns when all are out. It is called once.
func (g *gate) close() {
	g.mu.Lock()
	g.mu.closed = true
	g.signalIfEmptyLocked()
	g.mu.Unlock()
	<-g.empty
}

func (g *gate) signalIfEmptyLocked() {
	if g.mu.closed && g.mu.inside == 0 {
		close(g.empty)
	}
}
