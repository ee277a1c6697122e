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
	"github.com/quoratedb/quorate/services/watch/relay/internal/groups"
)

// errIDInUse is returned by Add for an id that a watch of the session has.
var errIDInUse = errors.New("watch id is in use")

// Session is one client's watches; it implements delivery.Session, and groups.Outlet. Its watches may be at several nodes.
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
		watches map[int64]*groups.Watch
		// queue holds what waits for Next; in its line is every watch that is behind and may read on, but the one that Next
		// reads on for.
		queue    sessionqueue.Queue[*groups.Watch]
		wake     sessionqueue.Wake
		progress sessionqueue.Requests
		// toldAll is a revision up to which each watch was handed everything, 0 when that is not known, and holdsUp one that the
		// lowest progress request waits for, as far as it is known. So the watches, of which there may be a hundred thousand,
		// are not looked through for each delivery and each request, which has five bytes.
		toldAll int64
		holdsUp *groups.Watch
		// replaced are watches that have ended with their store, which is still to be told.
		replaced []int64
		closed   bool
	}
	// looked counts the watches that were looked at for progress.
	looked int
}

func newSession(r *Relay) *Session {
	s := &Session{relay: r}
	s.mu.queue, s.mu.wake = sessionqueue.New[*groups.Watch](r.cfg.SessionDeliveriesMax, r.cfg.SessionBytesMax), sessionqueue.NewWake()
	s.life, s.end = context.WithCancel(context.Background())
	s.mu.watches = make(map[int64]*groups.Watch)
	return s
}

// Add implements delivery.Session.
func (s *Session) Add(request *watchv1.Watch) error {
	if request.StartRevision <= 0 {
		return fmt.Errorf("add watch %d: start revision %d is not positive", request.Id, request.StartRevision)
	}
	w := &groups.Watch{ID: request.Id, Out: s, Notify: request.ProgressNotify, Once: request.Once, Next: request.StartRevision}
	if err := s.add(w, groups.SelectorOf(request)); err != nil {
		return fmt.Errorf("add watch %d: %w", w.ID, err)
	}
	return nil
}

func (s *Session) add(w *groups.Watch, sel groups.Selector) error {
	s.relay.mu.Lock()
	defer s.relay.mu.Unlock()
	if err := s.enter(w); err != nil {
		return err
	}
	s.relay.mu.table.Add(w, sel)
	return nil
}

// enter makes a watch one of the session's.
func (s *Session) enter(w *groups.Watch) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.closed {
		return errdefs.ErrStopped
	}
	if _, taken := s.mu.watches[w.ID]; taken {
		return errIDInUse
	}
	s.mu.watches[w.ID] = w
	s.mu.toldAll = min(s.mu.toldAll, w.Next-1)
	return nil
}

// Remove implements delivery.Session.
func (s *Session) Remove(id int64) {
	s.relay.mu.Lock()
	defer s.relay.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if w := s.mu.watches[id]; w != nil {
		s.endLocked(w)
		s.mu.wake.Nudge() // a progress request may have waited for it
	}
}

// endLocked ends a watch, under both locks.
func (s *Session) endLocked(w *groups.Watch) {
	if w.Ended() {
		return
	}
	delete(s.mu.watches, w.ID)
	s.relay.mu.table.End(w)
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
			if l.known.Up() && l.known.Position() < revision {
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
func (s *Session) shut() (watches map[int64]*groups.Watch) {
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
func (s *Session) endSome(watches []*groups.Watch) {
	s.relay.mu.Lock()
	defer s.relay.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, w := range watches {
		s.endLocked(w)
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
			if d, err := s.readOn(ctx, behind); d != nil || err != nil {
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
func (s *Session) take() (*delivery.Delivery, *groups.Watch, error) {
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
		if told := w.Handed(); told < wanted {
			return told
		}
	}
	s.mu.holdsUp = nil
	all := int64(math.MaxInt64)
	for _, w := range s.mu.watches {
		s.looked++
		told := w.Handed()
		if told < wanted {
			s.mu.holdsUp = w
			return told
		}
		all = min(all, told)
	}
	s.mu.toldAll = all
	return all
}

// Push implements groups.Outlet.
func (s *Session) Push(e *groups.Entry) bool {
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

// LineUp implements groups.Outlet.
func (s *Session) LineUp(w *groups.Watch) {
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
