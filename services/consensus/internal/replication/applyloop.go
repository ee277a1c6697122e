package replication

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// ErrNotTaken says that the member stops before it has another state, which its log may name already.
var ErrNotTaken = errors.New("the member stops before it goes on from another state")

// Visible is what has become visible to readers.
type Visible struct {
	Commits []*consensusv1.Commit
	Changes []Change
	// Alarms says that alarms may have changed.
	Alarms bool
}

// applyLoop owns the write side of the state: once what its applier did is visible, readers go, and the waiting callers are
// answered.
type applyLoop struct {
	applier *applier
	inbox   inbox
	deliver func([]*raftpb.Message)
	readers *readers
	// announce is told before callers are: whoever has its answer finds its revision in the feed.
	announce func(Visible)

	// installs takes requests to replace the state, replace does it.
	installs chan installRequest
	replace  func(index uint64) (*raftpb.ConfState, error)
	point    snapshotPoint

	// current is closed once an entry is applied whose term began after the member was opened (at termAtOpen): all
	// that was acknowledged before the restart is then in the state.
	current    chan struct{}
	termAtOpen uint64

	// reached has the newest index that is visible to readers, and term is its term.
	reached *reached
	term    atomic.Uint64
	metrics *Metrics
	// spent is how long rounds have taken, in nanoseconds.
	spent atomic.Int64

	slow slow
}

// slow logs rounds that take long.
type slow struct {
	after time.Duration // 0 for never
	log   *slog.Logger
}

// run ends when ctx does, or with an error when the state can no longer be trusted to follow the log.
func (l *applyLoop) run(ctx context.Context) error {
	var messages []*raftpb.Message
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-l.inbox.Ready():
			messages = l.inbox.Take(messages)
			if err := l.apply(ctx, messages); err != nil {
				return fmt.Errorf("apply: %w", err)
			}
		case request := <-l.installs:
			err := l.replaceState(request.index)
			request.reply <- err
			if err != nil {
				return fmt.Errorf("replace the state: %w", err)
			}
		}
	}
}

// installRequest asks the applier for another state, at the index.
type installRequest struct {
	index uint64
	reply chan<- error
}

// install has the state replaced, on the applier's goroutine, by the one at the index.
func (l *applyLoop) install(ctx context.Context, index uint64) error {
	reply := make(chan error, 1)
	select {
	case l.installs <- installRequest{index, reply}:
		return <-reply
	case <-ctx.Done():
		return ErrNotTaken
	}
}

// replaceState goes on from another member's state.
func (l *applyLoop) replaceState(index uint64) error {
	l.metrics.installing.Inc()
	defer l.metrics.installing.Dec()
	configuration, err := l.replace(index)
	if err != nil {
		return err
	}
	l.applier.restart()
	l.publish(configuration)
	// The state may hold what was proposed before, and does not tell its outcome.
	answerAll(l.applier.waiting.dropBefore(^uint64(0)), fmt.Errorf("wait for a proposal: the state was replaced: %w", errdefs.ErrLeaderChanged))
	l.applier.waiting.told()
	return nil
}

// apply brings the entries of all messages into the state.
func (l *applyLoop) apply(ctx context.Context, messages []*raftpb.Message) error {
	l.applier.put(messages)
	for {
		from, began := l.applier.applied, time.Now()
		r, err := l.applier.next(ctx)
		if r == nil || err != nil {
			return err
		}
		took := time.Since(began)
		l.spent.Add(int64(took))
		l.slow.warn(took, from, r)
		l.tell(r)
	}
}

// warn logs a round that took long, with etcd's message and keys: what waits behind it waits as long.
func (s slow) warn(took time.Duration, from uint64, r *round) {
	if s.after > 0 && took > s.after && r.last != nil {
		s.log.Warn("apply request took too long", "took", took, "expected-duration", s.after,
			"entries", r.last.GetIndex()-from, "last-index", r.last.GetIndex(), "commits", len(r.commits))
	}
}

// tell tells of a round.
func (l *applyLoop) tell(r *round) {
	if r.last != nil {
		l.publish(r.configuration)
		l.announce(Visible{Commits: r.commits, Changes: r.changes, Alarms: r.alarms})
	}
	for _, answer := range r.answers {
		answer.to.done <- answer.outcome
	}
	if len(r.lost) > 0 {
		answerAll(r.lost, fmt.Errorf("wait for a proposal: %w", errdefs.ErrLeaderChanged))
	}
	l.applier.waiting.told()
	l.applier.meter.answered()
	if len(r.responses) > 0 {
		l.deliver(r.responses)
	}
}

// publish lets readers see how far the applier is. configuration is nil if it has not changed.
func (l *applyLoop) publish(configuration *raftpb.ConfState) {
	index, term := l.applier.applied, l.applier.term
	l.reached.applied.Store(index)
	if l.term.Swap(term) <= l.termAtOpen && term > l.termAtOpen {
		close(l.current)
	}
	l.point.set(index, term, configuration)
	l.readers.advance(index)
}

// snapshotPoint is what raft must know of the state to make a snapshot of it.
type snapshotPoint struct {
	mu struct {
		sync.Mutex
		index, term   uint64
		configuration *raftpb.ConfState
	}
}

func (p *snapshotPoint) set(index, term uint64, configuration *raftpb.ConfState) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mu.index, p.mu.term = index, term
	if configuration != nil {
		p.mu.configuration = configuration
	}
}

// snapshot is the log's answer to raft. It names a state and holds none: the transport makes a checkpoint, which
// is as new or newer, when it has to send it.
func (p *snapshotPoint) snapshot() (*raftpb.Snapshot, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return &raftpb.Snapshot{Metadata: &raftpb.SnapshotMetadata{
		Index: new(p.mu.index), Term: new(p.mu.term), ConfState: proto.CloneOf(p.mu.configuration),
	}}, nil
}
