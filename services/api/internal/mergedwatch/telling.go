package mergedwatch

import (
	"context"

	"github.com/quoratedb/quorate/pkg/delivery"
)

// Progress implements delivery.Session.
func (s *Session) Progress(revision int64) {
	s.mu.Lock()
	s.mu.asked = max(s.mu.asked, revision)
	s.answerLocked()
	var behind []*group
	if s.mu.asked > 0 {
		for _, w := range s.mu.subs {
			if w.group != nil && w.knows() < revision {
				behind = append(behind, w.group)
			}
		}
	}
	s.mu.Unlock()
	for _, g := range behind {
		g.want(revision)
	}
}

// answerLocked answers the progress request once all watches are that far.
func (s *Session) answerLocked() {
	if s.mu.asked == 0 {
		return
	}
	for _, w := range s.mu.subs {
		if w.behind || w.knows() < s.mu.asked {
			return
		}
	}
	s.pushLocked(item{delivery: &delivery.Delivery{All: true, Revision: s.mu.asked}})
	s.mu.asked = 0
}

func (s *Session) pushLocked(i item) {
	if i.sub != nil {
		i.sub.queued++
	}
	s.mu.queue = append(s.mu.queue, i)
	s.mu.bytes += i.bytes
	s.hub.queued.Add(int64(i.bytes))
	nudge(s.wake)
}

// full tells that there is no room for more events.
func (s *Session) full() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fullLocked()
}

func (s *Session) fullLocked() bool {
	if len(s.mu.queue) == 0 {
		return false
	}
	return s.mu.bytes >= sessionBytesMax || len(s.mu.queue) >= sessionDeliveriesMax || s.hub.queued.Load() >= s.hub.queuedMax
}

// events queues a batch for a watch, but for what it was given before. Where there is no room the watch is left out from then on, and false
// returned. The lock of the watch's group is held.
func (s *Session) events(w *sub, batch *delivery.Batch, revision int64, bytes int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	batch = batch.From(w.next)
	if w.over || batch == nil {
		return !w.over
	}
	if s.fullLocked() {
		w.behind, w.group = true, nil
		if w.queued == 0 { // others of the session fill it; nobody else would wake this one
			s.pushLocked(item{sub: w})
		}
		return false
	}
	w.next = batch.Last() + 1
	w.told = max(w.told, batch.Last())
	s.pushLocked(item{delivery: &delivery.Delivery{ID: w.id, Batch: batch, Revision: max(revision, batch.Last())}, sub: w, bytes: bytes})
	s.answerLocked()
	return true
}

// progressed takes in that a watch is told everything up to revision, and tells the client if that wants to know. The lock of the watch's group
// is held.
func (s *Session) progressed(w *sub, revision int64, notify bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if w.over {
		return
	}
	w.told = max(w.told, revision)
	w.next = max(w.next, revision+1)
	if notify && w.progress {
		s.pushLocked(item{delivery: &delivery.Delivery{ID: w.id, Revision: revision}, sub: w})
	}
	s.answerLocked()
}

// ended has a watch be over, as last says.
func (s *Session) ended(w *sub, last delivery.Delivery) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if w.over {
		return
	}
	s.dropLocked(w)
	last.ID = w.id
	s.pushLocked(item{delivery: &last, sub: w})
	s.answerLocked()
}

// fail ends the session with an error, which the client's stream ends with.
func (s *Session) fail(err error) {
	s.mu.Lock()
	if s.mu.failed != nil {
		s.mu.Unlock()
		return
	}
	s.mu.failed = err
	subs := s.mu.subs
	s.mu.subs = make(map[int64]*sub)
	for _, w := range subs {
		w.over = true
	}
	s.hub.open.Add(-int64(len(subs)))
	s.hub.queued.Add(-int64(s.mu.bytes))
	s.mu.queue, s.mu.bytes = nil, 0
	close(s.done)
	s.mu.Unlock()
	nudge(s.wake)
	for _, w := range subs {
		s.leave(w)
	}
}

// leave has a watch that is over be no part of its group any more.
func (s *Session) leave(w *sub) {
	s.mu.Lock()
	from := w.group
	s.mu.Unlock()
	if from != nil {
		from.release(w)
	}
}

// Next implements delivery.Session.
func (s *Session) Next(ctx context.Context) (*delivery.Delivery, error) {
	for {
		taken, resumed, err := s.take()
		if resumed != nil {
			s.hub.start(resumed)
		}
		if err != nil || taken != nil {
			return taken, err
		}
		if resumed != nil {
			continue
		}
		select {
		case <-s.wake:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// take takes the oldest delivery, if there is one, and returns the watch that can go on now, if that was the last one in its way.
func (s *Session) take() (taken *delivery.Delivery, resumed *sub, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.failed != nil {
		return nil, nil, s.mu.failed
	}
	if len(s.mu.queue) == 0 {
		return nil, nil, nil
	}
	first := s.mu.queue[0]
	s.mu.queue[0] = item{}
	s.mu.queue = s.mu.queue[1:]
	s.mu.bytes -= first.bytes
	s.hub.queued.Add(-int64(first.bytes))
	nudge(s.room)
	if len(s.mu.queue) > 0 {
		nudge(s.wake)
	} else {
		s.mu.queue = nil
	}
	if w := first.sub; w != nil {
		w.queued--
		if w.behind && w.queued == 0 && !w.over {
			w.behind = false
			resumed = w
		}
	}
	return first.delivery, resumed, nil
}
