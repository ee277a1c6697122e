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
		s.endAllLocked()
	}
	for _, l := range r.mu.links {
		l.abort(errReplaced)
	}
	r.reads.forget()
}

// endAllLocked ends the watches, of which it is still to tell. The relay's lock is held.
func (s *Session) endAllLocked() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, w := range s.mu.watches {
		s.endLocked(w)
		s.mu.replaced = append(s.mu.replaced, id)
	}
	s.mu.progress.Drop()
	s.mu.toldAll, s.mu.holdsUp = 0, nil
	delete(s.relay.mu.awaiting, s)
	s.mu.wake.Nudge()
}
