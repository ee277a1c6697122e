package consensus

import (
	"context"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/consensus/internal/compactor"
)

// compactHistory runs auto-compaction, if it is configured.
func (m *Member) compactHistory(ctx context.Context) error {
	return compactor.New(compactor.Options{
		Store:     autoCompaction{m},
		Retention: m.cfg.AutoCompaction.Retention,
		Revisions: m.cfg.AutoCompaction.Revisions,
		Logger:    m.log,
		Ticks:     m.cfg.ticks,
	}).Run(ctx)
}

// autoCompaction is what the compactor needs of a member.
type autoCompaction struct{ *Member }

func (m autoCompaction) Revision() int64 { return m.gate.state().Revision() }

func (m autoCompaction) Leading() bool { return m.replica.Leads() }

func (m autoCompaction) Compact(ctx context.Context, revision int64) error {
	_, err := m.proposer.propose(ctx, &consensusv1.Command{Command: &consensusv1.Command_Compact{Compact: &consensusv1.CompactOp{Revision: revision}}})
	return err
}
