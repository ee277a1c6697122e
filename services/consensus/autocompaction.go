package consensus

import (
	"context"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/consensus/internal/compactor"
	"github.com/quoratedb/quorate/services/consensus/internal/gate"
)

// compactHistory runs auto-compaction, if it is configured.
func compactHistory(ctx context.Context, cfg Config, store autoCompaction) error {
	return compactor.New(compactor.Config{
		Store:     store,
		Retention: cfg.AutoCompaction.Retention,
		Revisions: cfg.AutoCompaction.Revisions,
		Logger:    cfg.Logger,
		Ticks:     cfg.ticks,
	}).Run(ctx)
}

// autoCompaction is what the compactor needs of a member.
type autoCompaction struct {
	gate     *gate.Gate
	proposer *proposer
}

// Revision implements compactor.Store.
func (a autoCompaction) Revision() int64 { return a.gate.State().Revision() }

// Leading implements compactor.Store.
func (a autoCompaction) Leading() bool { return a.proposer.replica.Leads() }

// Compact implements compactor.Store.
func (a autoCompaction) Compact(ctx context.Context, revision int64) error {
	_, err := a.proposer.internal(ctx, &consensusv1.Command{Command: &consensusv1.Command_Compact{Compact: &consensusv1.CompactOp{Revision: revision}}})
	return err
}
