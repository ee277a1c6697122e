package membership

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/consensus/internal/replication"
)

// Proposer proposes a change of members to raft, which may lose it.
type Proposer interface {
	ProposeConfChange(change *raftpb.ConfChange)
}

// Changes has changes of members committed.
type Changes struct {
	proposer Proposer
	waiters  *Waiters
	// again is after how long a change without an answer is proposed once more.
	again   time.Duration
	ticks   replication.Ticks
	stopped <-chan struct{}
	// proposing is held by the one change that this member has under way.
	proposing chan struct{}
}

// NewChanges returns an owner that proposes a change once more after a time without an answer, until the member has stopped.
func NewChanges(proposer Proposer, waiters *Waiters, again time.Duration, ticks replication.Ticks, stopped <-chan struct{}) *Changes {
	return &Changes{proposer: proposer, waiters: waiters, again: again, ticks: ticks, stopped: stopped, proposing: make(chan struct{}, 1)}
}

// Propose has a change committed, one at a time, and waits until it is applied here. Its error is that with which Change refused it,
// errdefs.ErrStopped, or ctx's.
func (c *Changes) Propose(ctx context.Context, kind raftpb.ConfChangeType, member *consensusv1.Member) error {
	select {
	case c.proposing <- struct{}{}:
		defer func() { <-c.proposing }()
	case <-ctx.Done():
		return fmt.Errorf("change members: %w", context.Cause(ctx))
	}
	encoded, err := proto.Marshal(member)
	if err != nil {
		return fmt.Errorf("encode a member: %w", err)
	}
	id, done := c.waiters.add()
	defer c.waiters.forget(id)
	change := &raftpb.ConfChange{Id: new(id), Type: kind.Enum(), NodeId: new(member.GetId()), Context: encoded}
	// Raft drops a change in silence while there is no leader or an earlier change is not applied yet, so it is proposed
	// until it has come back. If it comes back twice, the second finds nothing to do.
	again, stop := c.ticks(c.again)
	defer stop()
	for {
		c.proposer.ProposeConfChange(change)
		select {
		case err := <-done:
			return err
		case <-again:
		case <-ctx.Done():
			return fmt.Errorf("change members: %w", context.Cause(ctx))
		case <-c.stopped:
			return fmt.Errorf("change members: %w", errdefs.ErrStopped)
		}
	}
}

// Waiters finds the caller of a membership change once that is applied.
type Waiters struct {
	mu struct {
		sync.Mutex
		byID map[uint64]chan error // capacity 1
	}
}

// NewWaiters returns one that nobody waits in yet.
func NewWaiters() *Waiters {
	w := &Waiters{}
	w.mu.byID = make(map[uint64]chan error)
	return w
}

// add returns an unused id and where its outcome arrives.
func (w *Waiters) add() (uint64, <-chan error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	id := rand.Uint64()
	done := make(chan error, 1)
	w.mu.byID[id] = done
	return id, done
}

// Finish tells a change's caller, if it is here and still waits.
func (w *Waiters) Finish(id uint64, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if done, ok := w.mu.byID[id]; ok {
		done <- err
		delete(w.mu.byID, id)
	}
}

func (w *Waiters) forget(id uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.mu.byID, id)
}

// NewID returns an id that no member ever had. It is not derived from anything: a member that was removed or
// wiped can only come back as somebody new.
func NewID() uint64 {
	for {
		switch id := rand.Uint64(); id {
		case raft.None, raft.LocalAppendThread, raft.LocalApplyThread:
		default:
			return id
		}
	}
}
