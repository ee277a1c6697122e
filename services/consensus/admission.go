package consensus

import (
	"fmt"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// admission says whether a command may be proposed. The last bound, that of what waits in line, is the replica's.
type admission struct {
	// trusted refuses where this member's state is not to be believed (errdefs.ErrCorrupt), room where there is none for what
	// makes the state larger (errdefs.ErrNoSpace), and lag while the state does not keep up with the log
	// (errdefs.ErrTooManyRequests).
	trusted, room, lag func() error
}

func (a admission) admit(command *consensusv1.Command) error {
	if err := a.trusted(); err != nil && !wayOut(command) {
		return fmt.Errorf("propose: %w", err)
	}
	if growing(command) {
		if err := a.room(); err != nil {
			return fmt.Errorf("propose: %w", err)
		}
	}
	if err := a.lag(); err != nil {
		return fmt.Errorf("propose: %w", err)
	}
	return nil
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
