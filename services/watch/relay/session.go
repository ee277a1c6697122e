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
	"github.com/quoratedb/quorate/services/watch/internal/sessionqueue"
)

// errIDInUse is returned by Add for an id that a watch of the session has.
var errIDInUse = errors.New("watch id is in use")

// entry is a delivery in a session's queue.
type entry = sessionqueue.Entry[*watch]

// Session is one client's watches; it implements delivery.Session. Its watches may be at several nodes.
//
// What its watches are told gathers in its queue. When that is full, the watch concerned is put behind, and catches up when
// the client has taken what is queued.
type Session struct {
	relay *Relay
	// life ends with the session.
	life context.Context
	end  context.CancelFunc
	mu   struct {
		sync.Mutex
		watches map[int64]*watch
		// queue holds what waits for Next; in its line is every watch that is behind and may read on, but the one that Next
		// reads on for.
		queue    sessionqueue.Queue[*watch]
		wake     sessionqueue.Wake
		progress sessionqueue.Requests
		// toldAll is a revision up to which each watch was handed everything, 0 when that is not known, and holdsUp one that the
		// lowest progress request waits for, as far as it is known. So the watches, of which there may be a hundred thousand,
		// are not looked through for each delivery and each request, which has five bytes.
		toldAll int64
		holdsUp *watch
		// replaced are watches that have ended with their store, which is still to be told.
		replaced []int64
		closed   bool
	}
	// looked counts the watches that were looked at for progress.
	looked int
}

func newSession(r *Relay) *Session {
	s := &Session{relay: r}
	s.mu.queue, s.mu.wake = sessionqueue.New[*watch](r.cfg.SessionDeliveriesMax, r.cfg.SessionBytesMax), sessionqueue.NewWake()
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
		s.mu.wake.Nudge() // a progress request may have waited for it
	}
}

// endLocked takes a watch from wherever it is, under both locks, and with the last one its group.
func (r *Relay) endLocked(w *watch) {
	if w.Ended() {
		return
	}
	w.End()
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
	s.mu.progress.Add(revision)
	r.mu.awaiting[s] = struct{}{}
	if s.mu.toldAll < revision {
		for _, l := range r.mu.links {
			if l.up && l.position < revision {
				l.askPosition(revision)
			}
		}
	}
	s.mu.wake.Nudge()
}

// Close implements delivery.Session.
func (s *Session) Close() {
	sessionqueue.InSlices(s.shut(), s.endSome)
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
	r.counts.pending.Add(-int64(s.mu.queue.Drop()))
	s.mu.progress.Drop()
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
			case <-s.mu.wake.Tokens():
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
		e, behind := s.mu.queue.Next()
		switch {
		case behind != nil:
			return nil, behind, nil
		case e == nil:
			s.mu.wake.Wait()
			return nil, nil, nil
		}
		s.relay.counts.pending.Add(-int64(e.Events()))
		if !e.Watch.Ended() {
			s.relay.counts.delivered.Add(int64(e.Events()))
			return &e.Delivery, nil, nil
		}
	}
}

// progressOf returns the answer to the session's lowest progress request if it is due.
func (r *Relay) progressOf(s *Session) *delivery.Delivery {
	s.mu.Lock()
	open := s.mu.progress.Len() > 0
	s.mu.Unlock()
	if !open {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.progress.Len() == 0 {
		return nil // closed meanwhile
	}
	wanted := s.mu.progress.Lowest()
	told := wanted // to nobody, that is
	if len(s.mu.watches) > 0 {
		told = s.toldToAllLocked(wanted)
	}
	if told < wanted {
		return nil
	}
	if s.mu.progress.Answered(); s.mu.progress.Len() == 0 {
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
	if w := s.mu.holdsUp; w != nil && !w.Ended() {
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
	case w.Queued():
		return w.Floor()
	case w.live:
		return w.toldTo()
	default:
		return w.next - 1
	}
}

// push queues a delivery for a watch, and tells false, having queued nothing, if there is no room for it.
func (s *Session) push(e *entry) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.closed {
		return true
	}
	if !s.mu.queue.Push(e) {
		return false
	}
	s.relay.counts.pending.Add(int64(e.Events()))
	s.mu.wake.Nudge()
	return true
}

// lineUp has a watch that is behind read on.
func (s *Session) lineUp(w *watch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.closed || w.Ended() {
		return
	}
	s.mu.queue.LineUp(w)
	s.mu.wake.Nudge()
}

// nudge has Next look again.
func (s *Session) nudge() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.wake.Nudge()
}
