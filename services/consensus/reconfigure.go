package consensus

import (
	"context"
	"fmt"
	"time"

	"go.etcd.io/raft/v3/raftpb"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/pkg/identity"
	"github.com/quoratedb/quorate/services/consensus/internal/membership"
)

// AddMember adds a voter or a learner under a new id, and answers once that is applied here: errdefs.ErrPeerInUse,
// ErrTooManyLearners, and with the strict check ErrNotEnoughStarted and ErrUnhealthy.
func (m *Member) AddMember(ctx context.Context, req *consensusv1.AddMemberRequest) (*consensusv1.AddMemberResponse, error) {
	if !m.cfg.LaxReconfiguration {
		situation := m.members.Situation(time.Now())
		if err := membership.MayAdd(situation, req.GetIsLearner()); err != nil {
			m.explainRefusal(situation, "add", 0, err)
			return nil, fmt.Errorf("add a member: %w", err)
		}
	}
	member := &consensusv1.Member{Id: membership.NewID(), PeerUrls: req.GetPeerUrls(), IsLearner: req.GetIsLearner()}
	kind := raftpb.ConfChangeAddNode
	if req.GetIsLearner() {
		kind = raftpb.ConfChangeAddLearnerNode
	}
	if err := m.changes.Propose(ctx, kind, member); err != nil {
		return nil, err
	}
	return &consensusv1.AddMemberResponse{Member: member, Members: m.members.List()}, nil
}

// RemoveMember removes a member, which may be the leader or this one: errdefs.ErrMemberNotFound, ErrMemberRemoved, and with the strict
// check ErrNotEnoughStarted and ErrUnhealthy.
func (m *Member) RemoveMember(ctx context.Context, req *consensusv1.RemoveMemberRequest) (*consensusv1.RemoveMemberResponse, error) {
	if !m.cfg.LaxReconfiguration {
		situation := m.members.Situation(time.Now())
		if err := membership.MayRemove(situation, req.GetId()); err != nil {
			m.explainRefusal(situation, "remove", req.GetId(), err)
			return nil, fmt.Errorf("remove member %s: %w", identity.Format(req.GetId()), err)
		}
	}
	if err := m.changes.Propose(ctx, raftpb.ConfChangeRemoveNode, &consensusv1.Member{Id: req.GetId()}); err != nil {
		return nil, err
	}
	return &consensusv1.RemoveMemberResponse{Members: m.members.List()}, nil
}

// UpdateMember changes a member's peer URLs: errdefs.ErrMemberNotFound, ErrPeerInUse.
func (m *Member) UpdateMember(ctx context.Context, req *consensusv1.UpdateMemberRequest) (*consensusv1.UpdateMemberResponse, error) {
	member := &consensusv1.Member{Id: req.GetId(), PeerUrls: req.GetPeerUrls()}
	if err := m.changes.Propose(ctx, raftpb.ConfChangeUpdateNode, member); err != nil {
		return nil, err
	}
	return &consensusv1.UpdateMemberResponse{Members: m.members.List()}, nil
}

// PromoteMember makes a voter of a learner: errdefs.ErrNotLeader where another member leads, ErrMemberNotFound,
// ErrNotLearner, ErrLearnerNotReady while it is behind, and ErrNotEnoughStarted with the strict check.
func (m *Member) PromoteMember(ctx context.Context, req *consensusv1.PromoteMemberRequest) (resp *consensusv1.PromoteMemberResponse, err error) {
	defer func() { m.metrics.promotion(err) }()
	status, err := m.replica.Status(ctx)
	situation := m.members.Situation(time.Now())
	if err == nil {
		err = membership.MayPromote(situation, req.GetId(), status, m.cfg.LaxReconfiguration)
	}
	if err != nil {
		m.explainRefusal(situation, "promote", req.GetId(), err)
		return nil, fmt.Errorf("promote member %s: %w", identity.Format(req.GetId()), err)
	}
	if err := m.changes.Propose(ctx, raftpb.ConfChangeAddNode, &consensusv1.Member{Id: req.GetId()}); err != nil {
		return nil, err
	}
	return &consensusv1.PromoteMemberResponse{Members: m.members.List()}, nil
}

// MoveLeader hands leadership to another voter and waits for it: errdefs.ErrNotLeader, ErrBadTransferee, ErrTimeout.
func (m *Member) MoveLeader(ctx context.Context, req *consensusv1.MoveLeaderRequest) (*consensusv1.MoveLeaderResponse, error) {
	if !m.replica.Leads() {
		return nil, fmt.Errorf("move leadership: %w", errdefs.ErrNotLeader)
	}
	if target := m.members.Find(req.GetId()); target == nil || target.GetIsLearner() {
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

// explainRefusal logs why a change of members was refused that could have cost the quorum.
func (m *Member) explainRefusal(situation membership.Situation, change string, id uint64, err error) {
	if args := membership.Explain(situation, change, id, err); args != nil {
		m.log.Warn("a change of members is refused", args...)
	}
}
