package statemachine

import (
	"fmt"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// compact moves the compacted revision. What that hides is removed later, by each member at its own pace.
func compact(b *Batch, op *consensusv1.CompactOp) (*consensusv1.Result, error) {
	compacted, newest := b.rows.Bounds()
	switch r := op.GetRevision(); {
	case r > newest:
		return nil, fmt.Errorf("compact to %d, newest is %d: %w", r, newest, errdefs.ErrFutureRevision)
	case r <= compacted:
		return nil, fmt.Errorf("compact to %d, compacted up to %d: %w", r, compacted, errdefs.ErrCompacted)
	}
	if err := b.rows.Compact(op.GetRevision()); err != nil {
		return nil, err
	}
	return &consensusv1.Result{Result: &consensusv1.Result_Compact{Compact: &consensusv1.CompactResult{}}}, nil
}
