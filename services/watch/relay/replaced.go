package relay

import "errors"

// errReplaced is why the stream to a node ends that may not have heard yet that the store is another.
var errReplaced = errors.New("the store was replaced")

// errOtherStore is why the stream to a node ends that follows another store.
var errOtherStore = errors.New("the watch node follows another store than this one: one of them has not noticed yet that it was replaced")

// StoreReplaced ends all watches, each with a delivery that says so, and all streams to watch nodes: the store is another one
// now, or went back to an earlier state, and the revisions that were told mean nothing there. What is watched from then on begins
// anew.
func (r *Relay) StoreReplaced() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for s := range r.mu.sessions {
		r.endAllLocked(s)
	}
	for _, l := range r.mu.links {
		if l.breakOff != nil {
			l.breakOff(errReplaced)
		}
	}
	r.reads.forget()
}

// endAllLocked ends a session's watches, of which it is still to tell.
func (r *Relay) endAllLocked(s *Session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, w := range s.mu.watches {
		r.endLocked(w)
		s.mu.replaced = append(s.mu.replaced, id)
	}
	s.mu.progress.Drop()
	s.mu.toldAll, s.mu.holdsUp = 0, nil
	delete(r.mu.awaiting, s)
	s.mu.wake.Nudge()
}

// forget drops what is kept of reads.
func (x *reads) forget() {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, done := range x.mu.kept {
		delete(x.mu.calls, done.key)
	}
	x.mu.kept, x.mu.bytes = nil, 0
}
