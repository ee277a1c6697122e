package statemachine

import (
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/consensus/internal/mvcc"
)

func deleteRange(b *Batch, op *consensusv1.DeleteRangeOp) (*consensusv1.Result, error) {
	res, err := evalDelete(b, op)
	if err != nil {
		return nil, err
	}
	return &consensusv1.Result{Result: &consensusv1.Result_DeleteRange{DeleteRange: res}}, nil
}

func evalDelete(b *Batch, op *consensusv1.DeleteRangeOp) (*consensusv1.DeleteRangeResult, error) {
	b.rows.Counters().Deletes.Add(1)
	deleted, prevs, err := b.rows.Delete(mvcc.NewSpan(op.GetKey(), op.GetRangeEnd()), op.GetPrevKv() && !b.unanswered)
	if err != nil {
		return nil, err
	}
	return &consensusv1.DeleteRangeResult{Deleted: deleted, PrevKvs: prevs}, nil
}
