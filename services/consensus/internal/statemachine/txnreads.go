package statemachine

import (
	"context"
	"errors"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/consensus/internal/mvcc"
)

// TxnReads tells how many single keys a transaction reads for its answer, and whether it reads ranges of keys, be it to compare them: on both of its sides.
func TxnReads(op *consensusv1.TxnOp) (keys int, ranges bool) {
	for _, c := range op.GetCompare() {
		ranges = ranges || readsAll(c)
	}
	for _, ops := range [][]*consensusv1.Op{op.GetSuccess(), op.GetFailure()} {
		for _, o := range ops {
			switch o := o.GetOp().(type) {
			case *consensusv1.Op_Range:
				keys++
				ranges = ranges || len(o.Range.GetRangeEnd()) > 0
			case *consensusv1.Op_Txn:
				nestedKeys, nestedRanges := TxnReads(o.Txn)
				keys, ranges = keys+nestedKeys, ranges || nestedRanges
			}
		}
	}
	return keys, ranges
}

// readsAll tells whether a comparison looks at more than one key.
func readsAll(c *consensusv1.Compare) bool { return len(c.GetRangeEnd()) > 0 && !existenceAlone(c) }

// MeasureTxn tells what a transaction would read now, on both of its sides: errdefs.ErrTooLarge where that is more than one that writes may.
func (m *Machine) MeasureTxn(ctx context.Context, op *consensusv1.TxnOp) (measured mvcc.Measured, err error) {
	v, err := m.store.View(ctx)
	if err != nil {
		return measured, err
	}
	defer func() { err = errors.Join(err, v.Close()) }()
	return measured, measure(ctx, v, op, &measured)
}

func measure(ctx context.Context, v *mvcc.View, op *consensusv1.TxnOp, measured *mvcc.Measured) error {
	for _, c := range op.GetCompare() {
		if !readsAll(c) {
			continue
		}
		if err := measured.All(ctx, v, mvcc.NewSpan(c.GetKey(), c.GetRangeEnd())); err != nil {
			return err
		}
	}
	for _, ops := range [][]*consensusv1.Op{op.GetSuccess(), op.GetFailure()} {
		for _, o := range ops {
			var err error
			switch o := o.GetOp().(type) {
			case *consensusv1.Op_Range:
				err = measured.Range(ctx, v, o.Range)
			case *consensusv1.Op_Txn:
				err = measure(ctx, v, o.Txn, measured)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}
