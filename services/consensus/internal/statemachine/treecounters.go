package statemachine

import (
	"sync/atomic"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// treeCounters count what was done to the tree and what was declined since the machine was made.
type treeCounters struct {
	gets    treeCounter
	actions [consensusv1.TreeAction_TREE_ACTION_EXPIRE + 1]treeCounter
}

type treeCounter struct{ done, declined atomic.Uint64 }

func (c *treeCounter) add(declined bool) {
	if declined {
		c.declined.Add(1)
	} else {
		c.done.Add(1)
	}
}

func (c *treeCounter) message() *consensusv1.TreeCount {
	return &consensusv1.TreeCount{Done: c.done.Load(), Declined: c.declined.Load()}
}

func (c *treeCounters) count(op *consensusv1.TreeOp, res *consensusv1.TreeResult) {
	// An operation of an unknown action does not get here.
	c.actions[op.GetAction()].add(res.GetFailure() != nil)
}

// TreeStatistics returns the counts since the machine was made.
func (m *Machine) TreeStatistics() *consensusv1.TreeStatisticsResponse {
	c := &m.tree
	return &consensusv1.TreeStatisticsResponse{
		Gets:            c.gets.message(),
		Sets:            c.actions[consensusv1.TreeAction_TREE_ACTION_SET].message(),
		Creates:         c.actions[consensusv1.TreeAction_TREE_ACTION_CREATE].message(),
		Updates:         c.actions[consensusv1.TreeAction_TREE_ACTION_UPDATE].message(),
		Swaps:           c.actions[consensusv1.TreeAction_TREE_ACTION_COMPARE_AND_SWAP].message(),
		Deletes:         c.actions[consensusv1.TreeAction_TREE_ACTION_DELETE].message(),
		ComparedDeletes: c.actions[consensusv1.TreeAction_TREE_ACTION_COMPARE_AND_DELETE].message(),
		Expired:         c.actions[consensusv1.TreeAction_TREE_ACTION_EXPIRE].done.Load(),
	}
}
