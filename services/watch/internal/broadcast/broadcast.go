package broadcast

import (
	"context"
	"time"
)

const (
	// announceInterval is how often a node says whether it has watchers.
	announceInterval = time.Second
	// pendingMessagesMax bounds what waits for Receive, in messages. More are dropped, and read from history later.
	pendingMessagesMax = 1024
	// pendingPayloadsMax bounds the same in bytes, in units of the largest payload.
	pendingPayloadsMax = 16
	// joinedBytesMax is how much memory the commits of several messages may take that are received as one. The receiver holds its lock
	// while it looks at them all.
	joinedBytesMax = 512 << 10
)

// Broadcast is what an ingester and a node have between them: Local within a process, Bus over NATS. Publish is for one
// goroutine at a time, and so is Receive; all else may be called concurrently.
type Broadcast interface {
	// Publish sends a message to every node without waiting for any. It returns the message's size.
	Publish(m *Message) (bytes int, err error)
	// Receive waits for the next message, and returns it together with what waits behind it and has the commits that follow. It fails
	// when ctx ends or the broadcast is closed. Messages may have been lost before.
	Receive(ctx context.Context) (*Message, error)
	// Announce tells ingesters whether this node has watchers, and is to be repeated every AnnounceInterval.
	Announce(watching bool) error
	AnnounceInterval() time.Duration
	// AlwaysAnnounce tells that a node has something to announce also while it has no watchers.
	AlwaysAnnounce() bool
	// Interested tells whether any node has announced watchers of late, InterestChanged yields a token when one begins to.
	Interested() bool
	InterestChanged() <-chan struct{}
	// Close ends it. It may be called twice.
	Close()
}
