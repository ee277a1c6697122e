package outbound

import (
	"sync"

	"go.etcd.io/raft/v3/raftpb"
)

// queue holds what waits to be written to one peer, in two lanes. Each lane keeps its order; the urgent one goes first,
// so that a heartbeat or a vote never waits behind megabytes of appends. All appends are in one lane: a follower refuses
// those that overtake others.
type queue struct {
	mu struct {
		sync.Mutex
		urgent, bulk lane
	}
	// ready has a value when there may be something to take.
	ready chan struct{}
}

// item is a raft message, or an offer of a snapshot in its encoded form together with the message that it stands for.
type item struct {
	message *raftpb.Message
	offer   []byte
}

// lane is a bounded first-in first-out queue.
type lane struct {
	items                 []item
	bytes                 int
	messagesMax, bytesMax int
}

func newQueue() *queue {
	q := &queue{ready: make(chan struct{}, 1)}
	q.mu.urgent.messagesMax, q.mu.urgent.bytesMax = urgentMessagesMax, urgentBytesMax
	q.mu.bulk.messagesMax, q.mu.bulk.bytesMax = bulkMessagesMax, bulkBytesMax
	return q
}

// put adds i, or returns false when its lane is full. A message larger than a lane is let into an empty one. The caller
// calls wake once it has put all it has.
func (q *queue) put(i item) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	l := &q.mu.urgent
	if bulky(i.message) {
		l = &q.mu.bulk
	}
	size := weight(i)
	if len(l.items) >= l.messagesMax || len(l.items) > 0 && l.bytes+size > l.bytesMax {
		return false
	}
	l.items = append(l.items, i)
	l.bytes += size
	return true
}

// wake tells the taker that there is something.
func (q *queue) wake() {
	select {
	case q.ready <- struct{}{}:
	default:
	}
}

// take appends to batch what goes into the next frame: at least one item if there is any, and about limit bytes.
func (q *queue) take(batch []item, limit int) []item {
	q.mu.Lock()
	defer q.mu.Unlock()
	batch, limit = q.mu.urgent.take(batch, limit)
	batch, _ = q.mu.bulk.take(batch, limit)
	return batch
}

// drop empties the queue and returns what was in it.
func (q *queue) drop() []item {
	q.mu.Lock()
	defer q.mu.Unlock()
	dropped := append(q.mu.urgent.items, q.mu.bulk.items...)
	for _, l := range []*lane{&q.mu.urgent, &q.mu.bulk} {
		l.items, l.bytes = nil, 0
	}
	return dropped
}

func (l *lane) take(batch []item, limit int) ([]item, int) {
	n := 0
	for n < len(l.items) && (limit > 0 || len(batch) == 0) {
		size := weight(l.items[n])
		batch = append(batch, l.items[n])
		l.bytes -= size
		limit -= size
		n++
	}
	if n == len(l.items) {
		clear(l.items)
		l.items = l.items[:0]
		return batch, limit
	}
	clear(l.items[:n])
	l.items = l.items[n:]
	return batch, limit
}

// bulky tells the messages that may be large and must stay in order.
func bulky(m *raftpb.Message) bool {
	switch m.GetType() {
	case raftpb.MsgApp, raftpb.MsgProp:
		return true
	default:
		return false
	}
}

// Sizes of a message and of an entry beside their bytes, rounded up; a queue's limit need not be exact.
const (
	messageWeight = 64
	entryWeight   = 32
)

func weight(i item) int {
	size := messageWeight + len(i.offer) + len(i.message.GetContext())
	for _, entry := range i.message.GetEntries() {
		size += entryWeight + len(entry.GetData())
	}
	return size
}
