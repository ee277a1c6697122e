package mergedwatch

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/quoratedb/quorate/pkg/delivery"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// group is one watch at the cluster and those of clients that share it: one only, until it is shared.
//
// Locks are taken in this order: the hub's, a group's, a session's.
type group struct {
	hub         *Hub
	kind        kind
	caller      *consensusv1.Caller
	wantsLeader bool
	// first is the revision that it begins with.
	first  int64
	shared atomic.Bool
	// asks has a progress request be sent.
	asks chan struct{}
	life context.Context
	end  context.CancelFunc

	// These belong to the goroutine of the watch.
	clusterID uint64
	// begun says that the cluster has taken the watch once.
	begun bool
	// present is where the cluster was when it took the watch, and synced says that a watch of its own has been told as much.
	present int64
	synced  bool

	mu struct {
		sync.Mutex
		subs map[*sub]struct{}
		// sent is the newest revision of which events were handed out.
		sent int64
		// told is the newest one that all is known of.
		told int64
		// wanted is the newest one that somebody waits for all to be known of.
		wanted int64
		over   bool
	}
}

// newGroup makes a group for one watch, whose fields nobody else writes meanwhile.
func newGroup(h *Hub, s *sub) *group {
	g := &group{
		hub: h, kind: s.kind, caller: s.session.caller, wantsLeader: s.session.wantsLeader, first: s.next, asks: make(chan struct{}, 1),
	}
	g.life, g.end = context.WithCancel(h.base)
	g.mu.subs = make(map[*sub]struct{})
	g.mu.sent, g.mu.told = s.next-1, s.next-1
	g.take(s)
	return g
}

// take makes a watch one of the group's, if no event that it wants has been handed out before.
func (g *group) take(s *sub) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.mu.over {
		return false
	}
	s.session.mu.Lock()
	defer s.session.mu.Unlock()
	if s.over {
		return true // there is nothing to be told
	}
	if s.next <= g.mu.sent {
		return false
	}
	g.mu.subs[s] = struct{}{}
	s.group = g
	if asked := s.session.mu.asked; asked > s.knows() {
		g.wantLocked(asked)
	}
	return true
}

// only returns the watch of a group that is nobody else's.
func (g *group) only() *sub {
	g.mu.Lock()
	defer g.mu.Unlock()
	for s := range g.mu.subs {
		return s
	}
	return nil
}

func (g *group) alive() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return !g.mu.over
}

// release has a watch be no part of the group any more, which ends with the last.
func (g *group) release(s *sub) {
	g.mu.Lock()
	delete(g.mu.subs, s)
	last := len(g.mu.subs) == 0
	g.mu.over = g.mu.over || last
	g.mu.Unlock()
	if last {
		g.end()
	}
}

// want asks for everything up to revision to be known.
func (g *group) want(revision int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.wantLocked(revision)
}

func (g *group) wantLocked(revision int64) {
	if revision > g.mu.told {
		g.mu.wanted = max(g.mu.wanted, revision)
		nudge(g.asks)
	}
}

// waits tells that somebody waits for progress.
func (g *group) waits() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.mu.wanted > g.mu.told
}

// next is the first revision that has not been handed out.
func (g *group) next() int64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	return max(g.mu.sent, g.mu.told) + 1
}

// handOut gives a batch to all watches. Those that have no room for it are left out.
func (g *group) handOut(batch *delivery.Batch, revision int64, bytes int) {
	g.mu.Lock()
	g.mu.sent = max(g.mu.sent, batch.Last())
	g.mu.told = max(g.mu.told, batch.Last())
	for s := range g.mu.subs {
		if !s.session.events(s, batch, revision, bytes) {
			delete(g.mu.subs, s)
		}
	}
	last := len(g.mu.subs) == 0
	g.mu.over = g.mu.over || last
	g.mu.Unlock()
	if last {
		g.end()
	}
}

// progress tells all watches that they know everything up to revision.
func (g *group) progress(revision int64, notify bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.mu.told = max(g.mu.told, revision)
	for s := range g.mu.subs {
		s.session.progressed(s, revision, notify)
	}
}

// close ends the group, and returns the watches that it had.
func (g *group) close() []*sub {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.mu.over = true
	subs := make([]*sub, 0, len(g.mu.subs))
	for s := range g.mu.subs {
		subs = append(subs, s)
	}
	clear(g.mu.subs)
	return subs
}

// endAll ends the watches with what the cluster said last.
func (g *group) endAll(last delivery.Delivery) {
	for _, s := range g.close() {
		s.session.ended(s, last)
	}
}

// failAll ends the streams of the watches' clients.
func (g *group) failAll(err error) {
	for _, s := range g.close() {
		s.session.fail(err)
	}
}
