package node

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/quoratedb/quorate/pkg/delivery"
	"github.com/quoratedb/quorate/pkg/errdefs"
	watchv1 "github.com/quoratedb/quorate/pkg/gen/quorate/watch/v1"
	"github.com/quoratedb/quorate/services/watch/internal/match"
	"github.com/quoratedb/quorate/services/watch/internal/sessionqueue"
)

// ErrIDInUse is returned by Add for an id that a watch of the session has.
var ErrIDInUse = errors.New("watch id is in use")

// Session is one client's watches; it implements delivery.Session, and match.Outlet.
//
// The table pushes what live watches are to see to its queue. When that is full, the watch concerned is put behind
// instead: it stands in the line and catches up when the client has taken what is queued. So a client that does not take
// costs nothing more.
//
// Locks: the node's lock comes before a session's.
type Session struct {
	shared *shared
	// attached is set where this is the session of an API node.
	attached bool
	// life ends with the session.
	life context.Context
	end  context.CancelFunc
	mu   struct {
		sync.Mutex
		watches map[int64]*match.Watch
		// queue holds what waits for Next; in its line is every watch that is behind but the one that Next reads on for.
		queue    sessionqueue.Queue[*match.Watch]
		wake     sessionqueue.Wake
		progress sessionqueue.Requests
		// holdsUp is a watch in the line that the first progress request waits for, as far as it is known. So the line, which
		// may be of a hundred thousand, is not looked through for each delivery.
		holdsUp *match.Watch
		closed  bool
	}
	// looked counts the watches that were looked at for progress.
	looked int
}

// Add implements delivery.Session. It fails with ErrIDInUse, or with errdefs.ErrStopped.
func (s *Session) Add(request *watchv1.Watch) error {
	w := &match.Watch{
		ID:     request.Id,
		Sel:    match.SelectorOf(request),
		Out:    s,
		Notify: request.ProgressNotify,
		Once:   request.Once,
		Next:   request.StartRevision,
	}
	if w.Next <= 0 {
		return fmt.Errorf("add watch %d: start revision %d is not positive", w.ID, w.Next)
	}
	if err := s.add(w); err != nil {
		return fmt.Errorf("add watch %d: %w", w.ID, err)
	}
	return nil
}

func (s *Session) add(w *match.Watch) error {
	s.shared.mu.Lock()
	defer s.shared.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	live, err := s.addLocked(w)
	if err == nil && !live {
		s.mu.queue.LineUp(w)
		s.mu.wake.Nudge()
	}
	return err
}

// addLocked adds a watch, under both locks, and tells whether it is live.
func (s *Session) addLocked(w *match.Watch) (live bool, err error) {
	if s.mu.closed {
		return false, errdefs.ErrStopped
	}
	if _, taken := s.mu.watches[w.ID]; taken {
		return false, ErrIDInUse
	}
	s.mu.watches[w.ID] = w
	table := s.shared.mu.table
	live = table.Add(w)
	if table.Len() == 1 {
		token(s.shared.announce)
	}
	return live, nil
}

// Remove implements delivery.Session.
func (s *Session) Remove(id int64) {
	s.shared.mu.Lock()
	defer s.shared.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if w := s.mu.watches[id]; w != nil {
		s.endLocked(w)
		s.mu.wake.Nudge() // a progress request may have waited for it
	}
}

// endLocked ends a watch, under both locks.
func (s *Session) endLocked(w *match.Watch) {
	delete(s.mu.watches, w.ID)
	s.shared.mu.table.End(w)
}

// Progress implements delivery.Session.
func (s *Session) Progress(revision int64) {
	s.shared.mu.Lock()
	defer s.shared.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.closed {
		return
	}
	s.mu.progress.Add(revision)
	s.shared.mu.awaiting[s] = struct{}{}
	s.mu.wake.Nudge()
}

// Close implements delivery.Session.
func (s *Session) Close() { sessionqueue.InSlices(s.shut(), s.endSome) }

// shut closes the session but for its watches, which are told nothing any more, and gives them to the caller, to end them. It gives
// none if that was done before.
func (s *Session) shut() (watches map[int64]*match.Watch) {
	n := s.shared
	n.mu.Lock()
	defer n.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.closed {
		return nil
	}
	n.counts.pending.Add(-int64(s.mu.queue.Drop()))
	s.mu.progress.Drop()
	s.mu.holdsUp = nil
	s.mu.closed = true
	s.end()
	delete(n.mu.sessions, s)
	delete(n.mu.awaiting, s)
	if s.attached {
		n.mu.attached--
	}
	watches, s.mu.watches = s.mu.watches, nil
	return watches
}

// endSome ends watches of a session that was shut.
func (s *Session) endSome(watches []*match.Watch) {
	s.shared.mu.Lock()
	defer s.shared.mu.Unlock()
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
			select {
			case <-s.mu.wake.Tokens():
			case <-s.life.Done():
			case <-ctx.Done():
			}
		}
	}
}

// take returns what is next: a delivery, or a watch that is to read on, or neither, when Next has to wait.
func (s *Session) take() (*delivery.Delivery, *match.Watch, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	// Everything up to here is in the queue, for the node moves its position after it has queued; and if it moves it
	// after this, it will nudge.
	position := s.shared.Position()
	if s.mu.closed {
		return nil, nil, errdefs.ErrStopped
	}
	for {
		if d := s.progressLocked(position); d != nil {
			return d, nil, nil
		}
		e, behind := s.mu.queue.Next()
		switch {
		case behind != nil:
			return nil, behind, nil
		case e == nil:
			s.mu.wake.Wait()
			return nil, nil, nil
		}
		s.shared.counts.pending.Add(-int64(e.Events()))
		if !e.Watch.Ended() {
			s.shared.counts.delivered.Add(int64(e.Events()))
			return &e.Delivery, nil, nil
		}
	}
}

// progressLocked returns the answer to the first progress request if it is due.
func (s *Session) progressLocked(position int64) *delivery.Delivery {
	if s.mu.progress.Len() == 0 {
		return nil
	}
	wanted, told := s.mu.progress.Lowest(), position
	if w := s.mu.holdsUp; w != nil && w.InLine() && !w.Ended() && w.Next <= wanted {
		return nil
	}
	s.mu.holdsUp = nil
	if len(s.mu.watches) == 0 {
		told = max(told, wanted) // to nobody, that is
	}
	if after, any := s.mu.queue.After(); any {
		told = min(told, after)
	}
	if told < wanted {
		return nil
	}
	for _, w := range s.mu.queue.Line() {
		s.looked++
		if w.Ended() {
			continue
		}
		if w.Next <= wanted {
			s.mu.holdsUp = w
			return nil
		}
		told = min(told, w.Next-1)
	}
	s.mu.progress.Answered()
	return &delivery.Delivery{All: true, Revision: told}
}

// Push implements match.Outlet. It is called under the node's lock.
func (s *Session) Push(e *match.Entry) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.closed {
		return true
	}
	if !s.mu.queue.Push(e) {
		return false
	}
	s.shared.counts.pending.Add(int64(e.Events()))
	if s.mu.wake.Nudge() {
		s.shared.mu.woken++
	}
	return true
}

// FallBehind implements match.Outlet. A watch of an API node ends instead.
func (s *Session) FallBehind(w *match.Watch, next int64) {
	if !s.attached {
		s.lineUp(w, next)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.endLocked(w)
	if !s.mu.closed {
		s.tellLocked(w, watchv1.Delivery_KIND_LAPSED, next-1)
	}
}

// lineUp has a watch that is behind go on from a revision. It tells false if the watch has ended.
func (s *Session) lineUp(w *match.Watch, next int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	w.Next = next
	if s.mu.closed || w.Ended() {
		return false
	}
	s.mu.queue.LineUp(w)
	s.mu.wake.Nudge()
	return true
}

// stillAwaits implements session.
func (s *Session) stillAwaits() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.wake.Nudge()
	return s.mu.progress.Len() > 0
}
