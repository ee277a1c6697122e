package relay

import "github.com/quoratedb/quorate/pkg/delivery"

// entry is a delivery in a session's queue.
type entry struct {
	delivery delivery.Delivery
	watch    *watch
	bytes    int
}

// events returns how many events are delivered.
func (e *entry) events() int {
	if e.delivery.Batch == nil {
		return 0
	}
	return e.delivery.Batch.Count()
}

// queue is first in, first out. The zero queue is empty.
type queue struct {
	entries []*entry // from start on
	start   int
	bytes   int
}

func (q *queue) length() int { return len(q.entries) - q.start }

func (q *queue) push(e *entry) {
	if q.start > 0 && q.start*2 >= len(q.entries) {
		n := copy(q.entries, q.entries[q.start:])
		clear(q.entries[n:])
		q.entries, q.start = q.entries[:n], 0
	}
	q.entries = append(q.entries, e)
	q.bytes += e.bytes
}

// pop returns nil if the queue is empty.
func (q *queue) pop() *entry {
	if q.length() == 0 {
		return nil
	}
	e := q.entries[q.start]
	q.entries[q.start] = nil
	q.start++
	q.bytes -= e.bytes
	if q.start == len(q.entries) {
		q.entries, q.start = q.entries[:0], 0
	}
	return e
}
