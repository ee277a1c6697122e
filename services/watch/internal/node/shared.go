package node

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/watch/internal/match"
)

// shared is what a node and its sessions have in common: the table of watches, under a lock, and history.
//
// Watches are added and removed under the same lock that commits are matched under, so each commit is either matched for a
// watch or lies in its past. Nothing is read or waited for under the lock: the table says what is missing, and takes in the
// answer.
type shared struct {
	cfg    Config
	counts counts
	// position is the table's, set when everything up to it was queued.
	position atomic.Int64
	// reads has a place for each read of history that runs on behalf of a watch.
	reads chan struct{}
	// announce has a token when the first watch came.
	announce chan struct{}
	// ready is closed when Run has begun.
	ready chan struct{}
	mu    struct {
		sync.Mutex
		stopped  bool
		table    *match.Table
		sessions map[session]struct{}
		// attached counts the sessions of API nodes.
		attached int
		// awaiting are the sessions with open progress requests.
		awaiting map[session]struct{}
		// woken counts the clients that were woken for a delivery.
		woken int64
	}
}

// session is what a node does with its sessions.
type session interface {
	Close()
	// stillAwaits tells whether the session has open progress requests, and has Next look at them.
	stillAwaits() bool
}

// counts are what a node counts where it would cost too much to ask a metric.
type counts struct {
	// pending events wait in queues, delivered ones were handed out.
	pending, delivered atomic.Int64
	// reads of history were made for gaps and watches.
	reads atomic.Int64
}

func newShared(cfg Config) *shared {
	n := &shared{
		cfg:      cfg,
		reads:    make(chan struct{}, cfg.ReadsMax),
		announce: make(chan struct{}, 1),
		ready:    make(chan struct{}),
	}
	n.mu.table = match.NewTable(cfg.DeliveryBytesMax, cfg.RingBytesMax)
	n.mu.sessions = make(map[session]struct{})
	n.mu.awaiting = make(map[session]struct{})
	return n
}

// Position returns the revision up to which everything is matched.
func (n *shared) Position() int64 { return n.position.Load() }

// change has the table changed, and tells how far it is, and those who may be waiting for that.
func (n *shared) change(change func(*match.Table)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	change(n.mu.table)
	to := n.mu.table.Position()
	if to == n.position.Load() {
		return
	}
	n.position.Store(to)
	for s := range n.mu.awaiting {
		if !s.stillAwaits() {
			delete(n.mu.awaiting, s)
		}
	}
}

// told returns how many deliveries there were, and how many clients were woken for them.
func (n *shared) told() (deliveries, woken int64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.mu.table.Deliveries(), n.mu.woken
}

// readFor reads a stretch of history on behalf of a watch, when there is a place for it.
func (n *shared) readFor(ctx context.Context, req *consensusv1.HistoryRequest, once bool) (*consensusv1.HistoryResponse, error) {
	select {
	case n.reads <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-n.reads }()
	n.counts.reads.Add(1)
	req.MaxBytes = int64(n.mu.table.BytesMax(once)) // which never changes
	return n.cfg.History.History(ctx, req)
}

// compacted finds out up to where history is compacted, which is above a revision.
func (n *shared) compacted(ctx context.Context, from int64) (int64, error) {
	status, err := n.cfg.History.Status(ctx, &consensusv1.StatusRequest{})
	if err != nil {
		return 0, err
	}
	if status.CompactedRevision <= from {
		return 0, fmt.Errorf("revision %d is compacted, says history, but %d is, says the status", from, status.CompactedRevision)
	}
	return status.CompactedRevision, nil
}

func pause(ctx context.Context, wait time.Duration) error {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

func token(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
