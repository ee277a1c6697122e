package consensus

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
	"go.etcd.io/raft/v3/tracker"
	"google.golang.org/protobuf/proto"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/pkg/problem"
)

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

// AddMember adds a voter or a learner under a new id, and answers once that is applied here: problem.ErrPeerInUse,
// ErrTooManyLearners, and with the strict check ErrNotEnoughStarted and ErrUnhealthy.
func (m *Member) AddMember(ctx context.Context, req *consensusv1.AddMemberRequest) (*consensusv1.AddMemberResponse, error) {
	if !m.cfg.LaxReconfiguration {
		if err := m.mayAdd(req.GetIsLearner()); err != nil {
			m.explain("add", 0, err)
			return nil, fmt.Errorf("add a member: %w", err)
		}
	}
	member := &consensusv1.Member{Id: newMemberID(), PeerUrls: req.GetPeerUrls(), IsLearner: req.GetIsLearner()}
	kind := raftpb.ConfChangeAddNode
	if req.GetIsLearner() {
		kind = raftpb.ConfChangeAddLearnerNode
	}
	if err := m.reconfigure(ctx, kind, member); err != nil {
		return nil, err
	}
	return &consensusv1.AddMemberResponse{Member: member, Members: m.members.list()}, nil
}

// RemoveMember removes a member, which may be the leader or this one: problem.ErrMemberNotFound, ErrMemberRemoved, and with the strict
// check ErrNotEnoughStarted and ErrUnhealthy.
func (m *Member) RemoveMember(ctx context.Context, req *consensusv1.RemoveMemberRequest) (*consensusv1.RemoveMemberResponse, error) {
	if !m.cfg.LaxReconfiguration {
		if err := m.mayRemove(req.GetId()); err != nil {
			m.explain("remove", req.GetId(), err)
			return nil, fmt.Errorf("remove member %s: %w", memberID(req.GetId()), err)
		}
	}
	if err := m.reconfigure(ctx, raftpb.ConfChangeRemoveNode, &consensusv1.Member{Id: req.GetId()}); err != nil {
		return nil, err
	}
	return &consensusv1.RemoveMemberResponse{Members: m.members.list()}, nil
}

// UpdateMember changes a member's peer URLs: problem.ErrMemberNotFound, ErrPeerInUse.
func (m *Member) UpdateMember(ctx context.Context, req *consensusv1.UpdateMemberRequest) (*consensusv1.UpdateMemberResponse, error) {
	member := &consensusv1.Member{Id: req.GetId(), PeerUrls: req.GetPeerUrls()}
	if err := m.reconfigure(ctx, raftpb.ConfChangeUpdateNode, member); err != nil {
		return nil, err
	}
	return &consensusv1.UpdateMemberResponse{Members: m.members.list()}, nil
}

// PromoteMember makes a voter of a learner: problem.ErrNotLeader where another member leads, ErrMemberNotFound,
// ErrNotLearner, ErrLearnerNotReady while it is behind, and ErrNotEnoughStarted with the strict check.
func (m *Member) PromoteMember(ctx context.Context, req *consensusv1.PromoteMemberRequest) (*consensusv1.PromoteMemberResponse, error) {
	if err := m.mayPromote(ctx, req.GetId()); err != nil {
		m.explain("promote", req.GetId(), err)
		return nil, fmt.Errorf("promote member %s: %w", memberID(req.GetId()), err)
	}
	if err := m.reconfigure(ctx, raftpb.ConfChangeAddNode, &consensusv1.Member{Id: req.GetId()}); err != nil {
		return nil, err
	}
	return &consensusv1.PromoteMemberResponse{Members: m.members.list()}, nil
}

// reconfigure has a change committed, one at a time, and waits until it is applied here.
func (m *Member) reconfigure(ctx context.Context, kind raftpb.ConfChangeType, member *consensusv1.Member) error {
	select {
	case m.reconfiguring <- struct{}{}:
		defer func() { <-m.reconfiguring }()
	case <-ctx.Done():
		return fmt.Errorf("change members: %w", context.Cause(ctx))
	}
	encoded, err := proto.Marshal(member)
	if err != nil {
		return fmt.Errorf("encode a member: %w", err)
	}
	id, done := m.changes.add()
	defer m.changes.forget(id)
	change := &raftpb.ConfChange{Id: new(id), Type: kind.Enum(), NodeId: new(member.GetId()), Context: encoded}
	// Raft drops a change in silence while there is no leader or an earlier change is not applied yet, so it is proposed
	// until it has come back. If it comes back twice, the second finds nothing to do.
	again := m.cfg.Clock.NewTicker(m.cfg.HeartbeatInterval * time.Duration(m.cfg.ElectionTicks))
	defer again.Stop()
	for {
		m.replica.ProposeConfChange(change)
		select {
		case err := <-done:
			return err
		case <-again.C():
		case <-ctx.Done():
			return fmt.Errorf("change members: %w", context.Cause(ctx))
		case <-m.stopped:
			return fmt.Errorf("change members: %w", problem.ErrStopped)
		}
	}
}

// mayAdd refuses a voter where its absence could cost the quorum: it counts as soon as it is added, and is not started
// yet. A single member may always become two, as there is no other way to grow. As with etcd, a quorum of the enlarged
// cluster must be connected without the new one, also for a learner: that is there to become a voter.
func (m *Member) mayAdd(learner bool) error {
	voters, started := countVoters(m.members.list(), raft.None)
	if !learner && (voters != 1 || started != 1) && started < quorum(voters+1) {
		return problem.ErrNotEnoughStarted
	}
	if voters != 1 && m.connected(m.members.list()) < quorum(voters+1) {
		return problem.ErrUnhealthy
	}
	return nil
}

// mayRemove refuses to remove a member where those that remain could have no quorum.
func (m *Member) mayRemove(id uint64) error {
	if m.members.wasRemoved(id) {
		return problem.ErrMemberRemoved
	}
	member := m.members.find(id)
	if member == nil {
		return problem.ErrMemberNotFound
	}
	if member.GetIsLearner() {
		return nil
	}
	voters, started := countVoters(m.members.list(), id)
	if voters == 0 || started < quorum(voters) {
		return problem.ErrNotEnoughStarted
	}
	if !m.reachable(id, time.Now()) {
		return nil // to remove a member that is down only helps
	}
	if m.connected(m.members.list())-1 < quorum(voters) {
		return problem.ErrUnhealthy
	}
	return nil
}

// mayPromote refuses to let a member vote that is not there yet, or where that could cost the quorum.
func (m *Member) mayPromote(ctx context.Context, id uint64) error {
	status, err := m.replica.Status(ctx)
	if err != nil {
		return err
	}
	if status.RaftState != raft.StateLeader {
		return problem.ErrNotLeader
	}
	member := m.members.find(id)
	switch {
	case member == nil:
		return problem.ErrMemberNotFound
	case !member.GetIsLearner():
		return problem.ErrNotLearner
	case !caughtUp(status.Progress, m.cfg.MemberID, id):
		return problem.ErrLearnerNotReady
	}
	if m.cfg.LaxReconfiguration {
		return nil
	}
	voters, started := countVoters(m.members.list(), raft.None)
	if member.GetName() != "" {
		started++
	}
	if started < quorum(voters+1) {
		return problem.ErrNotEnoughStarted
	}
	return nil
}

// caughtUp is etcd's measure: a learner that has nine tenths of the leader's log is ready.
func caughtUp(progress map[uint64]tracker.Progress, leader, learner uint64) bool {
	return float64(progress[learner].Match) >= 0.9*float64(progress[leader].Match)
}

// MoveLeader hands leadership to another voter and waits for it: problem.ErrNotLeader, ErrBadTransferee, ErrTimeout.
func (m *Member) MoveLeader(ctx context.Context, req *consensusv1.MoveLeaderRequest) (*consensusv1.MoveLeaderResponse, error) {
	if !m.replica.Leads() {
		return nil, fmt.Errorf("move leadership: %w", problem.ErrNotLeader)
	}
	if target := m.members.find(req.GetId()); target == nil || target.GetIsLearner() {
		return nil, fmt.Errorf("move leadership to %s: %w", memberID(req.GetId()), problem.ErrBadTransferee)
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
			return nil, fmt.Errorf("move leadership: %w", problem.ErrStopped)
		}
	}
	return nil, fmt.Errorf("move leadership to %s: %w", memberID(req.GetId()), problem.ErrTimeout)
}

// countVoters counts the voters other than one, and those of them that have made themselves known.
func countVoters(members []*consensusv1.Member, except uint64) (voters, started int) {
	for _, member := range members {
		if member.GetIsLearner() || member.GetId() == except {
			continue
		}
		voters++
		if member.GetName() != "" {
			started++
		}
	}
	return voters, started
}

func quorum(voters int) int { return voters/2 + 1 }

// connected counts the voters that have been reachable for a while, this member among them.
func (m *Member) connected(members []*consensusv1.Member) int {
	n := 0
	since := time.Now().Add(-healthyAfter)
	for _, member := range members {
		if !member.GetIsLearner() && m.reachable(member.GetId(), since) {
			n++
		}
	}
	return n
}

func (m *Member) reachable(id uint64, since time.Time) bool {
	if id == m.cfg.MemberID {
		return true
	}
	active, ok := m.cfg.Transport.ActiveSince(id)
	return ok && !active.After(since)
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
