package consensus

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
	"github.com/quoratedb/quorate/pkg/identity"
	"github.com/quoratedb/quorate/services/consensus/internal/replication"
)

// memberChanges has changes of members committed, and finds their callers once they are applied.
type memberChanges struct {
	replica *replication.Replica
	// again is after how long a change without an answer is proposed once more.
	again   time.Duration
	ticks   replication.Ticks
	stopped <-chan struct{}
	// proposing is held by the one change that this member has under way.
	proposing chan struct{}
	waiters   *changeWaiters
}

// changeWaiters finds the caller of a membership change once that is applied.
type changeWaiters struct {
	mu struct {
		sync.Mutex
		byID map[uint64]chan error // capacity 1
	}
}

func newChangeWaiters() *changeWaiters {
	w := &changeWaiters{}
	w.mu.byID = make(map[uint64]chan error)
	return w
}

// add returns an unused id and where its outcome arrives.
func (w *changeWaiters) add() (uint64, <-chan error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	id := rand.Uint64()
	done := make(chan error, 1)
	w.mu.byID[id] = done
	return id, done
}

// finish tells a change's caller, if it is here and still waits.
func (w *changeWaiters) finish(id uint64, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if done, ok := w.mu.byID[id]; ok {
		done <- err
		delete(w.mu.byID, id)
	}
}

func (w *changeWaiters) forget(id uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.mu.byID, id)
}

// propose has a change committed, one at a time, and waits until it is applied here.
func (c *memberChanges) propose(ctx context.Context, kind raftpb.ConfChangeType, member *consensusv1.Member) error {
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
		c.replica.ProposeConfChange(change)
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

// AddMember adds a voter or a learner under a new id, and answers once that is applied here: errdefs.ErrPeerInUse,
// ErrTooManyLearners, and with the strict check ErrNotEnoughStarted and ErrUnhealthy.
func (m *Member) AddMember(ctx context.Context, req *consensusv1.AddMemberRequest) (*consensusv1.AddMemberResponse, error) {
	if !m.cfg.LaxReconfiguration {
		if err := m.members.mayAdd(req.GetIsLearner()); err != nil {
			m.members.explain(m.log, "add", 0, err)
			return nil, fmt.Errorf("add a member: %w", err)
		}
	}
	member := &consensusv1.Member{Id: newMemberID(), PeerUrls: req.GetPeerUrls(), IsLearner: req.GetIsLearner()}
	kind := raftpb.ConfChangeAddNode
	if req.GetIsLearner() {
		kind = raftpb.ConfChangeAddLearnerNode
	}
	if err := m.changes.propose(ctx, kind, member); err != nil {
		return nil, err
	}
	return &consensusv1.AddMemberResponse{Member: member, Members: m.members.list()}, nil
}

// RemoveMember removes a member, which may be the leader or this one: errdefs.ErrMemberNotFound, ErrMemberRemoved, and with the strict
// check ErrNotEnoughStarted and ErrUnhealthy.
func (m *Member) RemoveMember(ctx context.Context, req *consensusv1.RemoveMemberRequest) (*consensusv1.RemoveMemberResponse, error) {
	if !m.cfg.LaxReconfiguration {
		if err := m.members.mayRemove(req.GetId()); err != nil {
			m.members.explain(m.log, "remove", req.GetId(), err)
			return nil, fmt.Errorf("remove member %s: %w", identity.Format(req.GetId()), err)
		}
	}
	if err := m.changes.propose(ctx, raftpb.ConfChangeRemoveNode, &consensusv1.Member{Id: req.GetId()}); err != nil {
		return nil, err
	}
	return &consensusv1.RemoveMemberResponse{Members: m.members.list()}, nil
}

// UpdateMember changes a member's peer URLs: errdefs.ErrMemberNotFound, ErrPeerInUse.
func (m *Member) UpdateMember(ctx context.Context, req *consensusv1.UpdateMemberRequest) (*consensusv1.UpdateMemberResponse, error) {
	member := &consensusv1.Member{Id: req.GetId(), PeerUrls: req.GetPeerUrls()}
	if err := m.changes.propose(ctx, raftpb.ConfChangeUpdateNode, member); err != nil {
		return nil, err
	}
	return &consensusv1.UpdateMemberResponse{Members: m.members.list()}, nil
}

// PromoteMember makes a voter of a learner: errdefs.ErrNotLeader where another member leads, ErrMemberNotFound,
// ErrNotLearner, ErrLearnerNotReady while it is behind, and ErrNotEnoughStarted with the strict check.
func (m *Member) PromoteMember(ctx context.Context, req *consensusv1.PromoteMemberRequest) (*consensusv1.PromoteMemberResponse, error) {
	status, err := m.replica.Status(ctx)
	if err == nil {
		err = m.members.mayPromote(req.GetId(), status, m.cfg.LaxReconfiguration)
	}
	if err != nil {
		m.members.explain(m.log, "promote", req.GetId(), err)
		return nil, fmt.Errorf("promote member %s: %w", identity.Format(req.GetId()), err)
	}
	if err := m.changes.propose(ctx, raftpb.ConfChangeAddNode, &consensusv1.Member{Id: req.GetId()}); err != nil {
		return nil, err
	}
	return &consensusv1.PromoteMemberResponse{Members: m.members.list()}, nil
}

// MoveLeader hands leadership to another voter and waits for it: errdefs.ErrNotLeader, ErrBadTransferee, ErrTimeout.
func (m *Member) MoveLeader(ctx context.Context, req *consensusv1.MoveLeaderRequest) (*consensusv1.MoveLeaderResponse, error) {
	if !m.replica.Leads() {
		return nil, fmt.Errorf("move leadership: %w", errdefs.ErrNotLeader)
	}
	if target := m.members.find(req.GetId()); target == nil || target.GetIsLearner() {
		return nil, fmt.Errorf("move leadership to %s: %w", identity.Format(req.GetId()), errdefs.ErrBadTransferee)
	}
	if err := m.replica.TransferLeader(ctx, req.GetId()); err != nil {
		return nil, err
	}
	ticker := m.cfg.Clock.NewTicker(m.cfg.HeartbeatInterval)
	defer ticker.Stop()
	// Raft gives a transfer one election timeout; one more lets the news of it arrive.
	for range 2 * m.cfg.ElectionTicks {
		if m.replica.LeaderID() == req.GetId() {
			return &consensusv1.MoveLeaderResponse{}, nil
		}
		select {
		case <-ticker.C():
		case <-ctx.Done():
			return nil, fmt.Errorf("move leadership: %w", context.Cause(ctx))
		case <-m.stopped:
			return nil, fmt.Errorf("move leadership: %w", errdefs.ErrStopped)
		}
	}
	return nil, fmt.Errorf("move leadership to %s: %w", identity.Format(req.GetId()), errdefs.ErrTimeout)
}

// newMemberID returns an id that no member ever had. It is not derived from anything: a member that was removed or
// wiped can only come back as somebody new.
func newMemberID() uint64 {
	for {
		switch id := rand.Uint64(); id {
		case raft.None, raft.LocalAppendThread, raft.LocalApplyThread:
		default:
			return id
		}
	}
}
