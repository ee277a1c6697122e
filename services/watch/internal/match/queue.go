package match

import (
	"github.com/quoratedb/quorate/pkg/delivery"
	watchv1 "github.com/quoratedb/quorate/pkg/gen/quorate/watch/v1"
)

// entry is a delivery in a session's queue.
type entry struct {
	delivery delivery.Delivery
	watch    *watch
	after    int64 // see find
	bytes    int
	next     *entry
	// kind is for sessions of API nodes.
	kind watchv1.Delivery_Kind
}

// events returns how many events are delivered.
func (e *entry) events() int {
	if e.delivery.Batch == nil {
		return 0
	}
	return len(e.delivery.Batch.Events())
}

// queue is a list of entries, first in, first out. The zero queue is empty.
type queue struct {
	head, tail *entry
	length     int
	bytes      int
}

func (q *queue) push(e *entry) {
	if q.tail == nil {
		q.head = e
	} else {
		q.tail.next = e
	}
	q.tail = e
	q.length++
	q.bytes += e.bytes
}

// pop returns nil if the queue is empty.
func (q *queue) pop() *entry {
	e := q.head
	if e == nil {
		return nil
	}
	if q.head = e.next; q.head == nil {
		q.tail = nil
	}
	e.next = nil // the caller may keep e for long, but not what came after it
	q.length--
	q.bytes -= e.bytes
	return e
}
