package consensus

import (
	"context"
	"fmt"
	"time"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// Propose replicates a command and answers once it is applied here. It returns the state machine's refusals
// (problem.ErrCompacted, ErrLeaseNotFound, ErrNoSpace, ...), problem.ErrTooManyRequests when the command was not
// taken, and problem.ErrLeaderChanged, ErrLeaderFailed, ErrConnectionLost, ErrStopped or ctx's error when its outcome is
// unknown.
//
// The command must not be changed any more, not even after Propose has returned.
func (m *Member) Propose(ctx context.Context, req *consensusv1.ProposeRequest) (*consensusv1.ProposeResponse, error) {
	command := req.GetCommand()
	if err := m.trusted(); err != nil && !wayOut(command) {
		return nil, fmt.Errorf("propose: %w", err)
	}
	if growing(command) {
		if err := m.roomToGrow(); err != nil {
			return nil, fmt.Errorf("propose: %w", err)
		}
	}
	if err := m.replica.CheckLag(); err != nil {
		return nil, fmt.Errorf("propose: %w", err)
	}
	result, err := m.propose(ctx, command)
	if err != nil {
		return nil, err
	}
	return &consensusv1.ProposeResponse{Result: result}, nil
}

func (m *Member) propose(ctx context.Context, command *consensusv1.Command) (*consensusv1.Result, error) {
	p, err := m.replica.Submit(command)
	if err != nil {
		return nil, err
	}
	began := time.Now()
	result, err := m.replica.Wait(ctx, p)
	if err != nil {
		err = m.late(ctx, began, err)
	}
	return result, err
}

// wayOut tells the commands whose result does not come from the state of the member that proposes them.
func wayOut(command *consensusv1.Command) bool {
	switch command.GetCommand().(type) {
	case *consensusv1.Command_Alarm, *consensusv1.Command_Publish:
		return true
	}
	return false
}

// growing tells whether a command may make the state larger.
func growing(command *consensusv1.Command) bool {
	switch c := command.GetCommand().(type) {
	case *consensusv1.Command_Put, *consensusv1.Command_LeaseGrant:
		return true
	case *consensusv1.Command_Tree:
		switch c.Tree.GetAction() {
		case consensusv1.TreeAction_TREE_ACTION_DELETE, consensusv1.TreeAction_TREE_ACTION_COMPARE_AND_DELETE,
			consensusv1.TreeAction_TREE_ACTION_EXPIRE:
			return false
		}
		return true
	case *consensusv1.Command_Txn:
		return growingOps(c.Txn.GetSuccess()) || growingOps(c.Txn.GetFailure())
	}
	return false
}

func growingOps(ops []*consensusv1.Op) bool {
	for _, op := range ops {
		switch o := op.GetOp().(type) {
		case *consensusv1.Op_Put:
			return true
		case *consensusv1.Op_Txn:
			if growingOps(o.Txn.GetSuccess()) || growingOps(o.Txn.GetFailure()) {
				return true
			}
		}
	}
	return false
}
