package match

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/quoratedb/quorate/pkg/delivery"
	"github.com/quoratedb/quorate/pkg/errdefs"
	watchv1 "github.com/quoratedb/quorate/pkg/gen/quorate/watch/v1"
)

// progressRequestsMax bounds how many progress requests of a session may be open; the one for the highest revision stands
// in for more.
const progressRequestsMax = 128

// ErrIDInUse is returned by Add for an id that a watch of the session has.
var ErrIDInUse = errors.New("watch id is in use")

// Session is one client's watches; it implements delivery.Session.
//
// The node appends what live watches are to see to a bounded queue. When the queue is full, the watch concerned is
// put behind instead: it stands in the session's line and catches up when the client has taken what is queued. Next
// serves queue and line in turn. So a client that does not take holds a full queue and one cursor for each watch, and
// the node spends nothing more on it.
//
// Locks: the node's lock comes before a session's.
type Session struct {
	node *Node
	wake chan struct{} // a token for a waiting Next
	// deliveriesMax and bytesMax bound the queue.
	deliveriesMax, bytesMax int
	// attached says that this is the session of an Attached.
	attached bool
	// life ends with the session.
	life context.Context
	end  context.CancelFunc
	mu   struct {
		sync.Mutex
		watches map[int64]*watch
		queue   queue
		// line holds the watches that are behind, except the one that Next is reading on for.
		line []*watch
		// lineTurn says that the line is served before the queue.
		lineTurn bool
		// progress holds the revisions of open progress requests, the lowest first: none waits for another. An API node's
		// request for a revision still to come must not hold back the positions that tell it that this node is well.
		progress []int64
		// holdsUp is a watch in the line that the first of them waits for, as far as it is known. So the line, which may be of
		// a hundred thousand, is not looked through for each delivery.
		holdsUp *watch
		waiting bool
		closed  bool
	}
	// looked counts the watches that were looked at for progress.
	looked int
}

// Add implements delivery.Session. It fails with ErrIDInUse, or with errdefs.ErrStopped.
func (s *Session) Add(request *watchv1.Watch) error {
	w := &watch{
		id:      request.Id,
		sel:     selectorOf(request),
		session: s,
		notify:  request.ProgressNotify,
		once:    request.Once,
		next:    request.StartRevision,
	}
	if w.next <= 0 {
		return fmt.Errorf("add watch %d: start revision %d is not positive", w.id, w.next)
	}
	if err := s.node.add(w); err != nil {
		return fmt.Errorf("add watch %d: %w", w.id, err)
	}
	return nil
}

// Remove implements delivery.Session.
func (s *Session) Remove(id int64) { s.node.remove(s, id) }

// Progress implements delivery.Session.
func (s *Session) Progress(revision int64) { s.node.progress(s, revision) }

// Close implements delivery.Session.
func (s *Session) Close() { s.node.close(s) }

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
			if d, err := s.node.readOn(ctx, behind); d != nil || err != nil {
				return d, err
			}
		default:
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
	// Everything up to here is in the queue, for the node moves its position after it has queued; and if it moves it
	// after this, it will nudge.
	position := s.node.Position()
	if s.mu.closed {
		return nil, nil, errdefs.ErrStopped
	}
	for {
		if d := s.progressLocked(position); d != nil {
			return d, nil, nil
		}
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
		s.node.counts.pending.Add(-int64(e.events()))
		if !e.watch.ended {
			s.node.counts.delivered.Add(int64(e.events()))
			return &e.delivery, nil, nil
		}
	}
}

// behindLocked takes the first watch out of the line if it is its turn and nothing of it is queued, which has to be
// delivered before what the watch reads on.
func (s *Session) behindLocked() *watch {
	for len(s.mu.line) > 0 && (s.mu.lineTurn || s.mu.queue.length == 0) {
		w := s.mu.line[0]
		s.mu.line[0] = nil
		s.mu.line = s.mu.line[1:]
		if w.ended {
			continue
		}
		s.mu.lineTurn = false
		if w.queued == 0 {
			w.inLine = false
			return w
		}
		s.mu.line = append(s.mu.line, w)
	}
	return nil
}

// progressLocked returns the answer to the first progress request if it is due.
func (s *Session) progressLocked(position int64) *delivery.Delivery {
	if len(s.mu.progress) == 0 {
		return nil
	}
	wanted, told := s.mu.progress[0], position
	if w := s.mu.holdsUp; w != nil && w.inLine && !w.ended && w.next <= wanted {
		return nil
	}
	s.mu.holdsUp = nil
	if len(s.mu.watches) == 0 {
		told = max(told, wanted) // to nobody, that is
	}
	if s.mu.queue.head != nil {
		told = min(told, s.mu.queue.head.after)
	}
	if told < wanted {
		return nil
	}
	for _, w := range s.mu.line {
		s.looked++
		if w.ended {
			continue
		}
		if w.next <= wanted {
			s.mu.holdsUp = w
			return nil
		}
		told = min(told, w.next-1)
	}
	s.mu.progress = s.mu.progress[1:]
	return &delivery.Delivery{All: true, Revision: told}
}

// push queues a delivery for a live watch, and tells false, having queued nothing, if there is no room for it.
// A delivery that is larger than the queue's limit fits an empty queue, or it would never be delivered.
func (s *Session) push(e *entry) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.closed {
		return true
	}
	q := &s.mu.queue
	if q.length > 0 && (q.length >= s.deliveriesMax || q.bytes+e.bytes > s.bytesMax) {
		return false
	}
	e.watch.queued++
	q.push(e)
	s.nudgeLocked()
	return true
}

// lineUp puts a watch behind, to go on from a revision. It tells false if the watch has ended.
func (s *Session) lineUp(w *watch, next int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	w.next = next
	if s.mu.closed || w.ended {
		return false
	}
	w.inLine = true
	s.mu.line = append(s.mu.line, w)
	s.nudgeLocked()
	return true
}

// stillAwaits tells whether the session has open progress requests, and has Next look at them.
func (s *Session) stillAwaits() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.nudgeLocked()
	return len(s.mu.progress) > 0
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
