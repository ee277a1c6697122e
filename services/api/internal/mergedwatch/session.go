package mergedwatch

import (
	"fmt"
	"sync"

	"github.com/quoratedb/quorate/pkg/delivery"
	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	watchv1 "github.com/quoratedb/quorate/pkg/gen/quorate/watch/v1"
)

var errStopped = fmt.Errorf("watches of the cluster: %w", errdefs.ErrStopped)

// sub is one watch of a client. Its fields but the first block belong to its session's lock.
type sub struct {
	session  *Session
	id       int64
	kind     kind
	progress bool
	// next is the first revision whose events it has not been given. It only rises. Besides the session's lock it is written under that of its
	// group, so that either will do to read it.
	next int64

	group *group // where its events come from; nil while it is behind
	// told is the newest revision that it is known to have been told everything of.
	told   int64
	queued int  // its deliveries in the queue
	behind bool // left out of its group until the client has taken what is queued
	over   bool
}

// item is a delivery in the queue.
type item struct {
	delivery *delivery.Delivery
	sub      *sub // nil for all
	bytes    int
}

// Session is one client's watches.
type Session struct {
	hub         *Hub
	caller      *consensusv1.Caller
	who         string
	wantsLeader bool
	wake        chan struct{} // something is queued, or the session is over
	room        chan struct{} // something was taken from the queue
	done        chan struct{} // closed with the session

	mu struct {
		sync.Mutex
		subs  map[int64]*sub
		queue []item
		bytes int
		// asked is the revision of a progress request that is not answered yet, 0 for none.
		asked  int64
		failed error
	}
}

func newSession(h *Hub, caller *consensusv1.Caller, who string, wantsLeader bool) *Session {
	s := &Session{
		hub: h, caller: caller, who: who, wantsLeader: wantsLeader,
		wake: make(chan struct{}, 1), room: make(chan struct{}, 1), done: make(chan struct{}),
	}
	s.mu.subs = make(map[int64]*sub)
	return s
}

// Add implements delivery.Session.
func (s *Session) Add(watch *watchv1.Watch) error {
	n := s.hub.config.Namespace
	w := &sub{
		session: s, id: watch.GetId(), progress: watch.GetProgressNotify(), next: watch.GetStartRevision(),
		kind: kind{
			who: s.who, key: string(n.Key(watch.GetKey())), end: string(n.End(watch.GetRangeEnd())),
			noPut: watch.GetNoPut(), noDelete: watch.GetNoDelete(), prevKV: watch.GetPrevKv(),
		},
	}
	s.mu.Lock()
	if s.mu.failed != nil {
		defer s.mu.Unlock()
		return s.mu.failed
	}
	s.mu.subs[w.id] = w
	s.mu.Unlock()
	s.hub.open.Add(1)
	s.hub.start(w)
	return nil
}

// Remove implements delivery.Session.
func (s *Session) Remove(id int64) {
	s.mu.Lock()
	w := s.mu.subs[id]
	s.dropLocked(w)
	var from *group
	if w != nil {
		from = w.group
	}
	s.answerLocked()
	s.mu.Unlock()
	if from != nil {
		from.release(w)
	}
}

// dropLocked has a watch be over. It may be nil, or over already.
func (s *Session) dropLocked(w *sub) {
	if w == nil || w.over {
		return
	}
	w.over = true
	delete(s.mu.subs, w.id)
	s.hub.open.Add(-1)
}

// knows is the newest revision that the watch is told everything of: it wants nothing from before its start.
func (w *sub) knows() int64 { return max(w.told, w.next-1) }

func nudge(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Close implements delivery.Session.
func (s *Session) Close() { s.fail(errStopped) }
