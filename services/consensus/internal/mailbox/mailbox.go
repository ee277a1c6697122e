// Package mailbox is a queue between an owner goroutine and everyone who sends to it. It never blocks a sender and
// sets no bound of its own: it is for messages whose number another party already bounds (raft's inflight limits,
// say), where a blocked sender would deadlock two owners that send to each other.
package mailbox

import "sync"

// Mailbox collects items until its owner takes them all at once. The zero value is not usable; see New.
type Mailbox[T any] struct {
	mu struct {
		sync.Mutex
		items []T
	}
	ready chan struct{}
}

// New returns an empty mailbox.
func New[T any]() *Mailbox[T] {
	return &Mailbox[T]{ready: make(chan struct{}, 1)}
}

// Put adds items, in order. It may be called by any goroutine.
func (m *Mailbox[T]) Put(items ...T) {
	if len(items) == 0 {
		return
	}
	m.mu.Lock()
	m.mu.items = append(m.mu.items, items...)
	m.mu.Unlock()
	select {
	case m.ready <- struct{}{}:
	default:
	}
}

// Ready receives a value when there may be something to take. Only the owner waits on it.
func (m *Mailbox[T]) Ready() <-chan struct{} {
	return m.ready
}

// Take returns everything that was put since the last call, in order. spare, which may be nil, is an emptied slice
// of an earlier Take for the mailbox to fill next.
func (m *Mailbox[T]) Take(spare []T) []T {
	clear(spare)
	m.mu.Lock()
	defer m.mu.Unlock()
	items := m.mu.items
	m.mu.items = spare[:0]
	return items
}
