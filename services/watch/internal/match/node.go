package match

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/watch/internal/broadcast"
)

// Source is where batches come from. It may lose, double and delay them.
type Source interface {
	// Receive waits for the next batch, and fails when ctx ends.
	Receive(ctx context.Context) (*broadcast.Message, error)
}

// Announcer tells ingesters whether this node has watchers, so that they know whether to send anything.
type Announcer interface {
	Announce(watching bool) error
	// AnnounceInterval is how often Announce wants to be called.
	AnnounceInterval() time.Duration
	// AlwaysAnnounce tells that the node has something to say of itself also while it has no watchers.
	AlwaysAnnounce() bool
}

// History is what the node asks of consensus.
type History interface {
	// History reads past commits; it fails with errdefs.ErrCompacted below the compacted revision.
	History(ctx context.Context, req *consensusv1.HistoryRequest) (*consensusv1.HistoryResponse, error)
	// Status tells the compacted revision.
	Status(ctx context.Context, req *consensusv1.StatusRequest) (*consensusv1.StatusResponse, error)
}

// Config says what a node works with. All fields are required.
type Config struct {
	Log     *slog.Logger
	History History
	// ProgressInterval is how long a watch that asked for progress may hear nothing, give or take as much again.
	ProgressInterval time.Duration
	// RingBytesMax bounds the recent commits in memory.
	RingBytesMax int
	// SessionDeliveriesMax and SessionBytesMax bound what waits for one session's Next.
	SessionDeliveriesMax int
	SessionBytesMax      int
	// AttachedDeliveriesMax and AttachedBytesMax bound what waits for one API node.
	AttachedDeliveriesMax int
	AttachedBytesMax      int
	// DeliveryBytesMax is where a delivery ends if it holds more than one revision.
	DeliveryBytesMax int
	// ReadsMax bounds how many reads of history run at once on behalf of watches.
	ReadsMax int
}

// Node matches the commit feed against the watches of its sessions.
//
// Its position is the revision up to which it knows everything: each commit at or before it was matched against the
// watches that were live then. One goroutine, in Run, moves the position, a message at a time; watches are added and
// removed under the same lock that it matches under, so each commit is either matched for a watch or lies in its past.
type Node struct {
	cfg      Config
	counts   counts
	position atomic.Int64
	// era counts the stores that were followed. What was to be read of an earlier one is given up: this one may never get there.
	era atomic.Int64
	// reads has a place for each read of history that runs on behalf of a watch.
	reads chan struct{}
	// announce has a token when the first watch came.
	announce chan struct{}
	// ready is closed when Run has begun.
	ready chan struct{}
	mu    struct {
		sync.Mutex
		started, stopped bool
		sessions         map[*Session]struct{}
		index            index
		ring             ring
		// watches counts all, live or behind.
		watches int
		// attached counts the sessions of API nodes.
		attached int
		// notified are the watches that want progress.
		notified map[*watch]struct{}
		// awaiting are the sessions with open progress requests.
		awaiting map[*Session]struct{}
		// touched are the groups with pending events, and full says that one of them has enough for a delivery.
		touched []*group
		full    bool
	}
}

// New returns a node that Run sets to work. Sessions may be opened at once; what they watch begins with Run.
func New(cfg Config) *Node {
	n := &Node{
		cfg:      cfg,
		reads:    make(chan struct{}, cfg.ReadsMax),
		announce: make(chan struct{}, 1),
		ready:    make(chan struct{}),
	}
	n.mu.sessions = make(map[*Session]struct{})
	n.mu.notified = make(map[*watch]struct{})
	n.mu.awaiting = make(map[*Session]struct{})
	n.mu.index = newIndex()
	n.mu.ring.bytesMax = cfg.RingBytesMax
	return n
}

// Position returns the revision up to which everything is matched.
func (n *Node) Position() int64 { return n.position.Load() }

// Run takes messages from source, the first of which is expected to follow revision after, until ctx ends. Then it
// closes all sessions. It fails if ctx ends or source does, and may be called once.
func (n *Node) Run(ctx context.Context, source Source, after int64) error {
	n.start(after)
	defer n.Stop()
	for {
		m, err := source.Receive(ctx)
		if err != nil {
			return fmt.Errorf("watch node: %w", err)
		}
		if err := n.handle(ctx, m); err != nil {
			return err
		}
	}
}

func (n *Node) start(after int64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.mu.started = true
	n.mu.ring.reset(after)
	n.position.Store(after)
	close(n.ready)
}

// Stop closes all sessions, also those that will be opened. It may be called twice, and without Run.
func (n *Node) Stop() {
	n.mu.Lock()
	n.mu.stopped = true
	sessions := slices.Collect(maps.Keys(n.mu.sessions))
	n.mu.Unlock()
	for _, s := range sessions {
		s.Close()
	}
}

// Restart ends all sessions, whose clients may open others, and goes on from a revision of what is another store than before.
func (n *Node) Restart(revision int64) {
	n.mu.Lock()
	sessions := slices.Collect(maps.Keys(n.mu.sessions))
	n.mu.ring.reset(revision)
	n.position.Store(revision)
	n.era.Add(1)
	n.mu.Unlock()
	for _, s := range sessions {
		s.Close()
	}
}

// handle moves the position to where the message leads.
func (n *Node) handle(ctx context.Context, m *broadcast.Message) error {
	era := n.era.Load()
	// What the message does not hold has to come from elsewhere.
	missing := m.Follows
	if len(m.Commits) == 0 {
		missing = m.Through
	}
	if err := n.bridge(ctx, missing); err != nil {
		return err
	}
	if len(m.Commits) > 0 && n.era.Load() == era {
		n.match(m.Commits, m.Through)
	}
	return nil
}

// moveLocked sets the position, after everything up to it was queued, and wakes who may be waiting for that.
func (n *Node) moveLocked(to int64) {
	n.position.Store(to)
	for s := range n.mu.awaiting {
		if !s.stillAwaits() {
			delete(n.mu.awaiting, s)
		}
	}
}
