package sessionqueue

import (
	"github.com/quoratedb/quorate/pkg/delivery"
	watchv1 "github.com/quoratedb/quorate/pkg/gen/quorate/watch/v1"
)

// Entry is a delivery in a queue.
type Entry[W Watch] struct {
	Delivery delivery.Delivery
	Watch    W
	// After is a revision up to which everything that concerns the watch came before.
	After int64
	// Bytes is what the delivery takes in memory, held what the queue counts of that: what is shared with the entry behind it counts there.
	Bytes, held int
	// Kind is for sessions of API nodes.
	Kind watchv1.Delivery_Kind
	next *Entry[W]
}

// Events returns how many events are delivered.
func (e *Entry[W]) Events() int {
	if e.Delivery.Batch == nil {
		return 0
	}
	return e.Delivery.Batch.Count()
}

// Queue is a session's. Deliveries are first in, first out, and so is the line; what is queued for a watch comes before
// what the watch reads on. A client that does not take holds a full queue, and one place in the line for each watch.
type Queue[W Watch] struct {
	// deliveriesMax and bytesMax are the limits.
	deliveriesMax, bytesMax int
	head, tail              *Entry[W]
	length, bytes           int
	// line holds the watches that are behind, except those that somebody reads on for.
	line []W
	// lineTurn says that the line is served before the queue.
	lineTurn bool
}

// New returns an empty queue with limits.
func New[W Watch](deliveriesMax, bytesMax int) Queue[W] {
	return Queue[W]{deliveriesMax: deliveriesMax, bytesMax: bytesMax}
}

// Push queues a delivery, and tells false, having queued nothing, if there is no room for it. A delivery that is larger
// than the limit fits an empty queue, or it would never be delivered.
func (q *Queue[W]) Push(e *Entry[W]) bool {
	if q.length > 0 && (q.length >= q.deliveriesMax || q.bytes+e.Bytes > q.bytesMax && !q.tail.shares(e)) {
		return false
	}
	q.Force(e)
	return true
}

// Force queues a delivery for which there is always room.
func (q *Queue[W]) Force(e *Entry[W]) {
	if p := e.Watch.place(); p.queued == 0 {
		p.queued, p.floor = 1, e.After
	} else {
		p.queued++
	}
	e.held = e.Bytes
	if q.tail == nil {
		q.head = e
	} else {
		q.tail.next = e
		if q.tail.shares(e) {
			q.bytes -= q.tail.held
			q.tail.held = 0
		}
	}
	q.tail = e
	q.length++
	q.bytes += e.held
}

// shares tells whether two deliveries are of one batch: watches of a session that want the same get one, one after the other.
func (e *Entry[W]) shares(other *Entry[W]) bool {
	return e.Delivery.Batch != nil && e.Delivery.Batch == other.Delivery.Batch
}

// LineUp puts a watch that is behind at the end of the line.
func (q *Queue[W]) LineUp(w W) {
	w.place().inLine = true
	q.line = append(q.line, w)
}

// Next takes what is next: a delivery, or a watch that is to read on, or neither. The delivery may be for a watch that
// has ended meanwhile.
func (q *Queue[W]) Next() (e *Entry[W], behind W) {
	if w, found := q.behind(); found {
		return nil, w
	}
	if e = q.Pop(); e != nil {
		q.lineTurn = true
	}
	return e, behind
}

// behind takes the first watch out of the line if it is the line's turn and nothing is queued for the watch.
func (q *Queue[W]) behind() (w W, found bool) {
	for n := len(q.line); n > 0 && (q.lineTurn || q.length == 0); n-- {
		first := q.line[0]
		q.line[0] = w
		q.line = q.line[1:]
		p := first.place()
		if p.inLine = false; p.ended {
			continue
		}
		q.lineTurn = false
		if p.queued == 0 {
			return first, true
		}
		q.LineUp(first)
	}
	return w, false
}

// Pop takes the first delivery, nil if there is none.
func (q *Queue[W]) Pop() *Entry[W] {
	e := q.head
	if e == nil {
		return nil
	}
	if q.head = e.next; q.head == nil {
		q.tail = nil
	}
	e.next = nil // the caller may keep e for long, but not what came after it
	q.length--
	q.bytes -= e.held
	p := e.Watch.place()
	p.queued--
	p.floor = e.Delivery.Revision
	return e
}

// Drop empties queue and line, and returns how many events were queued.
func (q *Queue[W]) Drop() (events int) {
	for e := q.Pop(); e != nil; e = q.Pop() {
		events += e.Events()
	}
	q.line = nil
	return events
}

// Len is how many deliveries are queued.
func (q *Queue[W]) Len() int { return q.length }

// After is the first delivery's, and false if there is none.
func (q *Queue[W]) After() (revision int64, any bool) {
	if q.head == nil {
		return 0, false
	}
	return q.head.After, true
}

// Line is the line, with watches that have ended in it. It is good until the next change.
func (q *Queue[W]) Line() []W { return q.line }
