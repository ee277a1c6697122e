package statemachine

import (
	"fmt"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// Apply carries out a command. The result is what its proposer gets, the commit what it changed, nil if nothing.
//
// An error that is one of errdefs refuses the command, which then has no effect; so would it on every other member.
// Any other error means that storage is broken: the member must stop, and not commit the batch.
//
// The commit and the result share memory with the command and with each other; nobody may change any of them afterwards.
func (b *Batch) Apply(cmd *consensusv1.Command) (*consensusv1.Result, *consensusv1.Commit, error) {
	b.rows.BeginRevision()
	res, err := apply(b, cmd)
	if err != nil {
		b.quotas.Refused(err)
		return nil, nil, err
	}
	commit := b.rows.EndRevision()
	_, res.Revision = b.rows.Bounds()
	return res, commit, nil
}

func apply(b *Batch, cmd *consensusv1.Command) (*consensusv1.Result, error) {
	if err := authorize(b, cmd); err != nil {
		return nil, err
	}
	if c, ok := cmd.GetCommand().(*consensusv1.Command_Alarm); ok {
		return alarm(b, c.Alarm)
	}
	if corrupt(b) {
		return nil, errdefs.ErrCorrupt
	}
	switch c := cmd.GetCommand().(type) {
	case *consensusv1.Command_Put:
		return put(b, c.Put)
	case *consensusv1.Command_DeleteRange:
		return deleteRange(b, c.DeleteRange)
	case *consensusv1.Command_Txn:
		return txn(b, c.Txn)
	case *consensusv1.Command_Compact:
		return compact(b, c.Compact)
	case *consensusv1.Command_LeaseGrant:
		return grantLease(b, c.LeaseGrant)
	case *consensusv1.Command_LeaseRevoke:
		return revokeLeases(b, c.LeaseRevoke)
	case *consensusv1.Command_LeaseAcquire:
		return acquireLeases(b)
	case *consensusv1.Command_LeaseCheckpoint:
		return checkpointLeases(b, c.LeaseCheckpoint)
	case *consensusv1.Command_Tree:
		return changeTree(b, c.Tree, cmd.GetCaller())
	case *consensusv1.Command_Auth:
		return changeAuth(b, c.Auth)
	case *consensusv1.Command_Quota:
		return changeQuotas(b, c.Quota)
	}
	return nil, fmt.Errorf("apply: unknown command %T: a newer version of the program has written it, which this member must run too", cmd.GetCommand())
}
