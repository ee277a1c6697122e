package broadcast

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quoratedb/quorate/services/watch/internal/memorysize"
)

// Local is the broadcast within one process: it hands messages over as they are, with the commits of whoever published them,
// which are never changed. So nothing is encoded, no NATS server runs, and the newest commits are in memory once. As over
// NATS, what waits is bounded, and what comes on top is lost.
type Local struct {
	bytesMax int
	ready    chan struct{} // a token when something may wait
	closed   chan struct{}
	closing  sync.Once
	watching atomic.Bool
	changed  chan struct{}
	mu       struct {
		sync.Mutex
		waiting []waiting
		bytes   int
	}
}

var _ Broadcast = (*Local)(nil)

// waiting is what the next Receive returns. The commits of several messages are in a slice of its own: others have those of one.
type waiting struct {
	message *Message
	bytes   int
	joined  bool
}

// errClosed is what a closed Local answers.
var errClosed = errors.New("the broadcast is closed")

// NewLocal returns a broadcast that reaches no other process. It keeps as much as Bus does with the largest payload.
func NewLocal(payloadBytesMax int) *Local {
	return &Local{
		bytesMax: pendingPayloadsMax * payloadBytesMax,
		ready:    make(chan struct{}, 1),
		closed:   make(chan struct{}),
		changed:  make(chan struct{}, 1),
	}
}

// Publish lets Receive have the message, whose commits nobody may change any more. It returns about what they take in memory.
func (l *Local) Publish(m *Message) (int, error) {
	select {
	case <-l.closed:
		return 0, fmt.Errorf("publish revisions %d to %d: %w", m.Follows+1, m.Through, errClosed)
	default:
	}
	if err := m.check(); err != nil {
		return 0, fmt.Errorf("publish revisions %d to %d: %w", m.Follows+1, m.Through, err)
	}
	bytes := m.weight()
	l.mu.Lock()
	defer l.mu.Unlock()
	n := len(l.mu.waiting)
	// One alone is let in, however large it is: it is in memory anyway.
	if n > 0 && l.mu.bytes+bytes > l.bytesMax {
		return bytes, nil // the next that is received shows the gap
	}
	switch {
	case n > 0 && l.mu.waiting[n-1].join(m, bytes):
	case n == pendingMessagesMax:
		return bytes, nil
	default:
		l.mu.waiting = append(l.mu.waiting, waiting{message: m, bytes: bytes})
	}
	l.mu.bytes += bytes
	token(l.ready)
	return bytes, nil
}

// join adds a message of so many bytes, if it goes on where this one ends.
func (w *waiting) join(m *Message, bytes int) bool {
	if !w.message.leadsTo(m) || w.bytes+bytes > joinedBytesMax {
		return false
	}
	if !w.joined {
		first := *w.message
		first.Commits = slices.Clip(first.Commits)
		w.message, w.joined = &first, true
	}
	w.message.join(m)
	w.bytes += bytes
	return true
}

// weight is about what the message takes in memory.
func (m *Message) weight() int {
	bytes := headerBytes
	for _, commit := range m.Commits {
		bytes += memorysize.Commit(commit)
	}
	return bytes
}

// Receive implements Broadcast.
func (l *Local) Receive(ctx context.Context) (*Message, error) {
	for {
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("receive batch: %w", ctx.Err())
		case <-l.closed:
			return nil, fmt.Errorf("receive batch: %w", errClosed)
		case <-l.ready:
		}
		if m := l.next(); m != nil {
			return m, nil
		}
	}
}

func (l *Local) next() *Message {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.mu.waiting) == 0 {
		return nil
	}
	first := l.mu.waiting[0]
	l.mu.waiting[0] = waiting{}
	l.mu.waiting = l.mu.waiting[1:]
	l.mu.bytes -= first.bytes
	if len(l.mu.waiting) > 0 {
		token(l.ready)
	} else {
		l.mu.waiting = nil
	}
	return first.message
}

// Announce tells the ingester whether the node has watchers.
func (l *Local) Announce(watching bool) error {
	if !l.watching.Swap(watching) && watching {
		token(l.changed)
	}
	return nil
}

// AnnounceInterval is how often the node must at least look whether it still has watchers.
func (l *Local) AnnounceInterval() time.Duration { return announceInterval }

// AlwaysAnnounce is false: without watchers there is nothing to say.
func (l *Local) AlwaysAnnounce() bool { return false }

// Interested tells whether the node has watchers.
func (l *Local) Interested() bool { return l.watching.Load() }

// InterestChanged yields a token after the node has announced watchers and had none.
func (l *Local) InterestChanged() <-chan struct{} { return l.changed }

// Close has Receive and Publish fail from then on. It may be called twice.
func (l *Local) Close() { l.closing.Do(func() { close(l.closed) }) }

func token(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
