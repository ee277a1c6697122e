package ingress

import (
	"net/http"
	"sync"

	"github.com/quoratedb/quorate/pkg/budget"
)

// gate knows which requests are in a handler, which net/http's own Close does not wait for, and lets in no more than may be there.
type gate struct {
	places *budget.Shared // nil for any number
	mu     struct {
		sync.Mutex
		closed bool
		inside int64
	}
	// empty is closed when the gate is and nobody is inside.
	empty chan struct{}
}

func newGate(most int64) *gate {
	g := &gate{empty: make(chan struct{})}
	if most > 0 {
		g.places = budget.NewShared(most)
	}
	return g
}

// tooMany is what a request is told that is one too many, in etcd's words.
const tooMany = "etcdserver: too many requests"

// guard lets requests through to next until the gate closes.
func (g *gate) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		connection := budget.RequestsOf(r.Context())
		switch entered, closed := g.enter(connection); {
		case closed:
			http.Error(w, "server stopped", http.StatusServiceUnavailable)
			return
		case !entered:
			http.Error(w, tooMany, http.StatusTooManyRequests)
			return
		}
		defer g.leave(connection)
		next.ServeHTTP(w, r)
	})
}

func (g *gate) enter(connection *budget.Share) (entered, closed bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.mu.closed || g.places != nil && !g.places.Take(connection) {
		return false, g.mu.closed
	}
	g.mu.inside++
	return true, false
}

func (g *gate) leave(connection *budget.Share) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.places != nil {
		g.places.Leave(connection)
	}
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
