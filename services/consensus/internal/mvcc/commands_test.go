package mvcc

import (
	"context"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// Machine is the state machine over a store: what stores hold in tests is what commands make. Its package imports this one, so
// that machine_test.go, outside of the package, hands it over.
type Machine interface {
	Begin() Commands
	ReadTxn(ctx context.Context, op *consensusv1.TxnOp) (*consensusv1.TxnResult, int64, error)
	ReadTree(ctx context.Context, path []byte, recursive bool) (*consensusv1.TreeNode, *consensusv1.TreeFailure, int64, error)
	Due(now int64, limit int) ([]*consensusv1.TreeOp, error)
}

// Commands is a batch of the state machine's.
type Commands interface {
	Answers(waited bool)
	Apply(cmd *consensusv1.Command) (*consensusv1.Result, *consensusv1.Commit, error)
	SetTime(nanoseconds int64)
	SetApplied(index, term uint64)
	SetMeta(name string, value []byte)
	Commit() error
	Close() error
}

// NewMachine makes the state machine over a store.
var NewMachine func(*Store) Machine

func begin(s *Store) Commands { return NewMachine(s).Begin() }
