package relay

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"

	"github.com/quoratedb/quorate/pkg/delivery"
	"github.com/quoratedb/quorate/pkg/errdefs"
	watchv1 "github.com/quoratedb/quorate/pkg/gen/quorate/watch/v1"
)

// progressRequestsMax bounds how many progress requests of a session may be open; the last one stands in for more.
const progressRequestsMax = 128

// errIDInUse is returned by Add for an id that a watch of the session has.
var errIDInUse = errors.New("watch id is in use")

// Session is one client's watches; it implements delivery.Session. Its watches may be at several nodes.
//
// What its watches are told gathers in a bounded queue. When that is full, the watch concerned is put behind, and catches
// up when the client has taken what is queued. Next serves queue and line in turn.
type Session struct {
	relay *Relay
	wake  chan struct{} // a token for a waiting Next
	// life ends with the session.
	life context.Context
	end  context.CancelFunc
	mu   struct {
		sync.Mutex
		watches map[int64]*watch
		queue   queue
		// line holds the watches that are behind and may read on, except the one that Next is reading on for.
		line []*watch
		// lineTurn says that the line is served before the queue.
		lineTurn bool
		// progress holds the revisions of open progress requests, in the order in which they came.
		progress []int64
		// toldAll is a revision up to which each watch was handed everything, 0 when that is not known, and holdsUp one that the
		// oldest progress request waits for, as far as it is known. So the watches, of which there may be a hundred thousand,
		// are not looked through for each delivery and each request, which has five bytes.
		toldAll int64
		holdsUp *watch
		// replaced are watches that have ended with their store, which is still to be told.
		replaced []int64
		waiting  bool
		closed   bool
	}
	// looked counts the watches that were looked at for progress.
	looked int
}

func newSession(r *Relay) *Session {
	s := &Session{relay: r, wake: make(chan struct{}, 1)}
	s.life, s.end = context.WithCancel(context.Background())
	s.mu.watches = make(map[int64]*watch)
	return s
}

// Add implements delivery.Session.
func (s *Session) Add(request *watchv1.Watch) error {
	if request.StartRevision <= 0 {
		return fmt.Errorf("add watch %d: start revision %d is not positive", request.Id, request.StartRevision)
	}
	w := &watch{id: request.Id, session: s, notify: request.ProgressNotify, once: request.Once, next: request.StartRevision}
	if err := s.relay.add(w, selectorOf(request)); err != nil {
		return fmt.Errorf("add watch %d: %w", w.id, err)
	}
	return nil
}

func (r *Relay) add(w *watch, sel selector) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := w.session
	s.mu.Lock()
	_, taken := s.mu.watches[w.id]
	switch {
	case s.mu.closed:
		s.mu.Unlock()
		return errdefs.ErrStopped
	case taken:
		s.mu.Unlock()
		return errIDInUse
	}
	s.mu.watches[w.id] = w
	s.mu.toldAll = min(s.mu.toldAll, w.next-1)
	s.mu.Unlock()

	g := r.mu.groups[sel]
	if g == nil {
		g = &group{sel: sel, parked: make(map[*watch]struct{})}
		r.mu.groups[sel] = g
		r.placeLocked(g)
	}
	g.watches++
	w.group = g
	if w.notify {
		r.mu.notified[w] = struct{}{}
	}
	r.mu.watches++
	r.mu.behind++
	switch {
	case !g.joined:
		g.parked[w] = struct{}{}
	case w.next > g.told():
		w.vetted = true
		r.enterLocked(w)
	default:
		s.lineUp(w)
	}
	return nil
}

// Remove implements delivery.Session.
func (s *Session) Remove(id int64) {
	s.relay.mu.Lock()
	defer s.relay.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if w := s.mu.watches[id]; w != nil {
		s.relay.endLocked(w)
		s.nudgeLocked() // a progress request may have waited for it
	}
}

// endLocked takes a watch from wherever it is, under both locks, and with the last one its group.
func (r *Relay) endLocked(w *watch) {
	if w.ended {
		return
	}
	w.ended = true
	g := w.group
	delete(w.session.mu.watches, w.id)
	delete(r.mu.notified, w)
	r.mu.watches--
	if w.live {
		g.exit(w)
	} else {
		r.mu.behind--
		delete(g.parked, w)
	}
	if g.watches--; g.watches > 0 {
		return
	}
	if g.link != nil {
		g.link.leave(g.id)
	}
	r.leaveNodeLocked(g)
	delete(r.mu.groups, g.sel)
}

// Progress implements delivery.Session.
func (s *Session) Progress(revision int64) {
	r := s.relay
	r.mu.Lock()
	defer r.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.closed {
		return
	}
	if open := s.mu.progress; len(open) < progressRequestsMax {
		s.mu.progress = append(open, revision)
	} else {
		open[len(open)-1] = max(open[len(open)-1], revision)
	}
	r.mu.awaiting[s] = struct{}{}
	if s.mu.toldAll < revision {
		for _, l := range r.mu.links {
			if l.up && l.position < revision {
				l.askPosition(revision)
			}
		}
	}
	s.nudgeLocked()
}

// endSliceMax is how many watches of a session that closes are ended in one go, under the relay's lock: about a millisecond's
// worth. Everybody else's events wait for it.
const endSliceMax = 500

// Close implements delivery.Session.
func (s *Session) Close() {
	watches := make([]*watch, 0, endSliceMax)
	for _, w := range s.shut() {
		if watches = append(watches, w); len(watches) == endSliceMax {
			s.endSome(watches)
			watches = watches[:0]
		}
	}
	s.endSome(watches)
}

// shut closes the session but for its watches, which are told nothing any more, and gives them to the caller, to end them. It
// gives none if that was done before.
func (s *Session) shut() (watches map[int64]*watch) {
	r := s.relay
	r.mu.Lock()
	defer r.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.closed {
		return nil
	}
	for e := s.mu.queue.pop(); e != nil; e = s.mu.queue.pop() {
		r.counts.pending.Add(-int64(e.events()))
	}
	s.mu.line, s.mu.progress = nil, nil
	s.mu.closed = true
	s.end()
	delete(r.mu.sessions, s)
	delete(r.mu.awaiting, s)
	watches, s.mu.watches = s.mu.watches, nil
	return watches
}

// endSome ends watches of a session that was shut.
func (s *Session) endSome(watches []*watch) {
	s.relay.mu.Lock()
	defer s.relay.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, w := range watches {
		s.relay.endLocked(w)
	}
}

// Next implements delivery.Session.
func (s *Session) Next(ctx context.Context) (*delivery.Delivery, error) {
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if d := s.relay.progressOf(s); d != nil {
			return d, nil
		}
		d, behind, err := s.take()
		switch {
		case err != nil:
			return nil, err
		case d != nil:
			return d, nil
		case behind != nil:
			if d, err := s.relay.readOn(ctx, behind); d != nil || err != nil {
				return d, err
			}
		default:
			// Before take said that Next waits, nobody would have woken it.
			if d := s.relay.progressOf(s); d != nil {
				return d, nil
			}
			select {
			case <-s.wake:
			case <-s.life.Done():
			case <-ctx.Done():
			}
		}
	}
}

// take returns what is next: a delivery, or a watch that is to read on, or neither, when Next has to wait.
func (s *Session) take() (*delivery.Delivery, *watch, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.closed {
		return nil, nil, errdefs.ErrStopped
	}
	if ids := s.mu.replaced; len(ids) > 0 {
		s.mu.replaced = ids[1:]
		return &delivery.Delivery{ID: ids[0], Replaced: true}, nil, nil
	}
	for {
		if w := s.behindLocked(); w != nil {
			return nil, w, nil
		}
		e := s.mu.queue.pop()
		if e == nil {
			s.mu.waiting = true
			return nil, nil, nil
		}
		s.mu.lineTurn = true
		e.watch.queued--
		e.watch.floor = e.delivery.Revision
		s.relay.counts.pending.Add(-int64(e.events()))
		if !e.watch.ended {
			s.relay.counts.delivered.Add(int64(e.events()))
			return &e.delivery, nil, nil
		}
	}
}

// behindLocked takes the first watch out of the line if it is its turn and nothing of it is queued, which has to be
// delivered before what the watch reads on.
func (s *Session) behindLocked() *watch {
	for n := len(s.mu.line); n > 0 && (s.mu.lineTurn || s.mu.queue.length() == 0); n-- {
		w := s.mu.line[0]
		s.mu.line[0] = nil
		s.mu.line = s.mu.line[1:]
		if w.ended {
			continue
		}
		s.mu.lineTurn = false
		if w.queued == 0 {
			return w
		}
		s.mu.line = append(s.mu.line, w)
	}
	return nil
}

// progressOf returns the answer to the session's oldest progress request if it is due.
func (r *Relay) progressOf(s *Session) *delivery.Delivery {
	s.mu.Lock()
	open := len(s.mu.progress) > 0
	s.mu.Unlock()
	if !open {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.mu.progress) == 0 {
		return nil // closed meanwhile
	}
	wanted := s.mu.progress[0]
	told := wanted // to nobody, that is
	if len(s.mu.watches) > 0 {
		told = s.toldToAllLocked(wanted)
	}
	if told < wanted {
		return nil
	}
	if s.mu.progress = s.mu.progress[1:]; len(s.mu.progress) == 0 {
		delete(r.mu.awaiting, s)
	}
	return &delivery.Delivery{All: true, Revision: told}
}

// toldToAllLocked is a revision up to which each of the watches has been handed everything: at or above wanted if that is so.
// Both locks are held.
func (s *Session) toldToAllLocked(wanted int64) int64 {
	if s.mu.toldAll >= wanted {
		return s.mu.toldAll // it never goes back, but for watches that come
	}
	if w := s.mu.holdsUp; w != nil && !w.ended {
		if told := w.handed(); told < wanted {
			return told
		}
	}
	s.mu.holdsUp = nil
	all := int64(math.MaxInt64)
	for _, w := range s.mu.watches {
		s.looked++
		told := w.handed()
		if told < wanted {
			s.mu.holdsUp = w
			return told
		}
		all = min(all, told)
	}
	s.mu.toldAll = all
	return all
}

// handed is the revision up to which the watch has been handed everything. Both locks are held.
func (w *watch) handed() int64 {
	switch {
	case w.queued > 0:
		return w.floor
	case w.live:
		return w.toldTo()
	default:
		return w.next - 1
	}
}

// push queues a delivery for a watch, which was told everything up to before, and tells false, having queued nothing, if
// there is no room for it. A delivery that is larger than the queue's limit fits an empty queue, or it would never be
// delivered.
func (s *Session) push(e *entry, before int64) bool {
	limits := &s.relay.cfg
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.closed {
		return true
	}
	q := &s.mu.queue
	if q.length() > 0 && (q.length() >= limits.SessionDeliveriesMax || q.bytes+e.bytes > limits.SessionBytesMax) {
		return false
	}
	if e.watch.queued == 0 {
		e.watch.floor = before
	}
	e.watch.queued++
	q.push(e)
	s.relay.counts.pending.Add(int64(e.events()))
	s.nudgeLocked()
	return true
}

// lineUp has a watch that is behind read on.
func (s *Session) lineUp(w *watch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.closed || w.ended {
		return
	}
	s.mu.line = append(s.mu.line, w)
	s.nudgeLocked()
}

// nudge has Next look again.
func (s *Session) nudge() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.nudgeLocked()
}

func (s *Session) nudgeLocked() {
	if !s.mu.waiting {
		return
	}
	s.mu.waiting = false
	select {
	case s.wake <- struct{}{}:
	default:
	}
}
