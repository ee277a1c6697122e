package mvcc_test

import (
	"context"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/consensus/internal/mvcc"
	"github.com/quoratedb/quorate/services/consensus/internal/statemachine"
)

func init() {
	mvcc.NewMachine = func(s *mvcc.Store) mvcc.Machine { return machine{statemachine.New(s)} }
}

type machine struct{ *statemachine.Machine }

func (m machine) Begin() mvcc.Commands { return m.Machine.Begin() }

func (m machine) ReadTree(ctx context.Context, path []byte, recursive bool) (*consensusv1.TreeNode, *consensusv1.TreeFailure, int64, error) {
	r, err := m.Machine.ReadTree(ctx, path, recursive)
	if err != nil {
		return nil, nil, 0, err
	}
	return r.Node, r.Failure, r.Revision, nil
}
