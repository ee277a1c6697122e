package match

import (
	"context"
	"slices"

	"github.com/quoratedb/quorate/pkg/errdefs"
)

// Open implements the watch service's Open.
func (n *Node) Open() *Session {
	return n.open(&Session{deliveriesMax: n.cfg.SessionDeliveriesMax, bytesMax: n.cfg.SessionBytesMax})
}

func (n *Node) open(s *Session) *Session {
	s.node, s.wake = n, make(chan struct{}, 1)
	s.life, s.end = context.WithCancel(context.Background())
	s.mu.watches = make(map[int64]*watch)
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.mu.stopped {
		s.mu.closed = true
		s.end()
		return s
	}
	n.mu.sessions[s] = struct{}{}
	if s.attached {
		if n.mu.attached++; n.mu.attached == 1 {
			token(n.announce)
		}
	}
	return s
}

func (n *Node) add(w *watch) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	s := w.session
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.closed {
		return errdefs.ErrStopped
	}
	if _, taken := s.mu.watches[w.id]; taken {
		return ErrIDInUse
	}
	s.mu.watches[w.id] = w
	if w.notify {
		n.mu.notified[w] = struct{}{}
	}
	if n.mu.watches++; n.mu.watches == 1 {
		token(n.announce)
	}
	if n.mu.started && w.next > n.Position() {
		w.vetted = true // what is still to come is not compacted
		n.mu.index.group(w.sel).join(w)
		return nil
	}
	w.inLine = true
	s.mu.line = append(s.mu.line, w)
	s.nudgeLocked()
	n.counts.behind.Add(1)
	return nil
}

func (n *Node) remove(s *Session, id int64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if w := s.mu.watches[id]; w != nil {
		n.endLocked(w)
		s.nudgeLocked() // a progress request may have waited for it
	}
}

// endLocked takes a watch from wherever it is, under both locks.
func (n *Node) endLocked(w *watch) {
	if w.ended {
		return
	}
	w.ended = true
	delete(w.session.mu.watches, w.id)
	delete(n.mu.notified, w)
	n.mu.watches--
	if w.group == nil {
		n.counts.behind.Add(-1)
		return
	}
	n.leaveLocked(w)
}

// leaveLocked takes a live watch out of its group.
func (n *Node) leaveLocked(w *watch) {
	g := w.group
	if g.leave(w); len(g.members) == 0 {
		n.mu.index.drop(g)
	}
}

// endSliceMax is how many watches of a session that closes are ended in one go, under the node's lock: below a millisecond's
// worth. Everybody else's events wait for it.
const endSliceMax = 500

func (n *Node) close(s *Session) {
	watches := make([]*watch, 0, endSliceMax)
	for _, w := range n.shut(s) {
		if watches = append(watches, w); len(watches) == endSliceMax {
			n.endSome(s, watches)
			watches = watches[:0]
		}
	}
	n.endSome(s, watches)
}

// shut closes a session but for its watches, which are told nothing any more, and gives them to the caller, to end them. It gives
// none if that was done before.
func (n *Node) shut(s *Session) (watches map[int64]*watch) {
	n.mu.Lock()
	defer n.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.closed {
		return nil
	}
	for e := s.mu.queue.pop(); e != nil; e = s.mu.queue.pop() {
		n.counts.pending.Add(-int64(e.events()))
	}
	s.mu.line, s.mu.progress, s.mu.holdsUp = nil, nil, nil
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
func (n *Node) endSome(s *Session, watches []*watch) {
	n.mu.Lock()
	defer n.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, w := range watches {
		n.endLocked(w)
	}
}

// progress takes in a progress request of a session.
func (n *Node) progress(s *Session, revision int64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.closed {
		return
	}
	at, _ := slices.BinarySearch(s.mu.progress, revision)
	s.mu.progress = slices.Insert(s.mu.progress, at, revision)
	if last := len(s.mu.progress) - 1; last == progressRequestsMax {
		s.mu.progress = slices.Delete(s.mu.progress, last-1, last)
	}
	n.mu.awaiting[s] = struct{}{}
	s.nudgeLocked()
}

func token(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
