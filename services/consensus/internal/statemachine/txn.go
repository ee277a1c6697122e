package statemachine

import (
	"bytes"
	"cmp"
	"context"
	"errors"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/consensus/internal/mvcc"
)

// errNotReadOnly is returned by ReadTxn for a transaction that would write.
var errNotReadOnly = errors.New("transaction is not read-only")

// A transaction is carried out in three steps, because it must take effect as a whole or not at all: all comparisons of
// the tree are decided on the state before it, which leaves the path that is taken; whatever on the path may refuse it is
// checked; then the path is executed, which cannot be refused any more.

// branch is the taken side of a transaction.
type branch struct {
	succeeded bool
	ops       []*consensusv1.Op
	// nested holds the taken sides of the transactions among ops, in their order.
	nested []*branch
}

// ReadTxn evaluates a transaction without writes at the newest revision, which it returns. Its refusals are those of the
// store's Range.
func (m *Machine) ReadTxn(ctx context.Context, op *consensusv1.TxnOp) (res *consensusv1.TxnResult, head int64, err error) {
	v, err := m.store.View(ctx)
	if err != nil {
		return nil, 0, err
	}
	defer func() { err = errors.Join(err, v.Close()) }()
	_, head = v.Bounds()
	br, err := decide(ctx, v, op)
	if err != nil {
		return nil, head, err
	}
	if err := checkReads(v, br); err != nil {
		return nil, head, err
	}
	res, err = execute(ctx, v, nil, br)
	return res, head, err
}

func txn(b *Batch, op *consensusv1.TxnOp) (*consensusv1.Result, error) {
	b.rows.Counters().Txns.Add(1)
	ctx := context.Background()
	br, err := decide(ctx, b.rows, op)
	if err != nil {
		return nil, err
	}
	if err := checkBranch(b, br); err != nil {
		return nil, err
	}
	if err := checkQuotas(b, br); err != nil {
		return nil, err
	}
	res, err := execute(ctx, b.rows, b, br)
	if err != nil {
		return nil, err
	}
	return &consensusv1.Result{Result: &consensusv1.Result_Txn{Txn: res}}, nil
}

// decide evaluates the comparisons of a transaction and of those nested on the path that it takes.
func decide(ctx context.Context, rd mvcc.Reader, op *consensusv1.TxnOp) (*branch, error) {
	br := &branch{succeeded: true, ops: op.GetSuccess()}
	for _, c := range op.GetCompare() {
		holds, err := compare(ctx, rd, c)
		if err != nil {
			return nil, err
		}
		if !holds {
			br.succeeded, br.ops = false, op.GetFailure()
			break
		}
	}
	for _, o := range br.ops {
		if t := o.GetTxn(); t != nil {
			n, err := decide(ctx, rd, t)
			if err != nil {
				return nil, err
			}
			br.nested = append(br.nested, n)
		}
	}
	return br, nil
}

// compare tells whether a comparison holds: for every key of its range, or, if there is none, for a key that does not
// exist.
func compare(ctx context.Context, rd mvcc.Reader, c *consensusv1.Compare) (bool, error) {
	holds, any := true, false
	err := rd.Scan(ctx, mvcc.NewSpan(c.GetKey(), c.GetRangeEnd()), mvcc.NewestRevision, func(r *mvcc.Row) (bool, error) {
		any = true
		holds = compareRow(c, r)
		return holds && !existenceAlone(c), nil
	})
	if err != nil || any {
		return holds, err
	}
	if _, ok := c.GetTarget().(*consensusv1.Compare_Value); ok {
		// A key that does not exist has no value, not even an empty one.
		return false, nil
	}
	return compareRow(c, &mvcc.Row{}), nil
}

// existenceAlone tells whether a comparison holds for all keys that exist, or for none: versions and revisions of keys are
// above 0.
func existenceAlone(c *consensusv1.Compare) bool {
	var with int64
	switch t := c.GetTarget().(type) {
	case *consensusv1.Compare_Version:
		with = t.Version
	case *consensusv1.Compare_CreateRevision:
		with = t.CreateRevision
	case *consensusv1.Compare_ModRevision:
		with = t.ModRevision
	default:
		return false
	}
	return with <= 0
}

func compareRow(c *consensusv1.Compare, r *mvcc.Row) bool {
	var order int
	switch t := c.GetTarget().(type) {
	case *consensusv1.Compare_Version:
		order = cmp.Compare(r.Version, t.Version)
	case *consensusv1.Compare_CreateRevision:
		order = cmp.Compare(r.Create, t.CreateRevision)
	case *consensusv1.Compare_ModRevision:
		order = cmp.Compare(r.Revision, t.ModRevision)
	case *consensusv1.Compare_Value:
		order = bytes.Compare(r.Value, t.Value)
	case *consensusv1.Compare_Lease:
		order = cmp.Compare(r.Lease, t.Lease)
	}
	switch c.GetRelation() {
	case consensusv1.Compare_RELATION_EQUAL:
		return order == 0
	case consensusv1.Compare_RELATION_NOT_EQUAL:
		return order != 0
	case consensusv1.Compare_RELATION_GREATER:
		return order > 0
	case consensusv1.Compare_RELATION_LESS:
		return order < 0
	}
	return false
}

// checkReads checks the ranges of a path, and that there is nothing else on it.
func checkReads(rd mvcc.Reader, br *branch) error {
	nested := br.nested
	for _, o := range br.ops {
		var err error
		switch o := o.GetOp().(type) {
		case *consensusv1.Op_Range:
			err = mvcc.CheckRevision(rd, o.Range.GetRevision())
		case *consensusv1.Op_Txn:
			err = checkReads(rd, nested[0])
			nested = nested[1:]
		case *consensusv1.Op_Put, *consensusv1.Op_DeleteRange:
			err = errNotReadOnly
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// checkBranch finds whatever may refuse the path: after it, execution only fails if storage does.
func checkBranch(b *Batch, br *branch) error {
	nested := br.nested
	for _, o := range br.ops {
		var err error
		switch o := o.GetOp().(type) {
		case *consensusv1.Op_Range:
			err = mvcc.CheckRevision(b.rows, o.Range.GetRevision())
		case *consensusv1.Op_Put:
			err = checkPut(b, o.Put)
		case *consensusv1.Op_Txn:
			err = checkBranch(b, nested[0])
			nested = nested[1:]
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// execute carries out a path that was checked, its writes on b, which is nil if there are none.
func execute(ctx context.Context, rd mvcc.Reader, b *Batch, br *branch) (*consensusv1.TxnResult, error) {
	res := &consensusv1.TxnResult{Succeeded: br.succeeded, Results: make([]*consensusv1.OpResult, len(br.ops))}
	nested := br.nested
	for i, o := range br.ops {
		var err error
		out := &consensusv1.OpResult{}
		switch o := o.GetOp().(type) {
		case *consensusv1.Op_Range:
			var r consensusv1.OpResult_Range
			// A range changes nothing and is refused no more: where nobody waits for what it finds, it is not looked for.
			if b == nil || !b.unanswered {
				r.Range, err = mvcc.EvalRange(ctx, rd, o.Range)
			}
			out.Result = &r
		case *consensusv1.Op_Put:
			r := consensusv1.OpResult_Put{Put: &consensusv1.PutResult{}}
			err = putInTxn(b, o.Put, r.Put)
			out.Result = &r
		case *consensusv1.Op_DeleteRange:
			var r consensusv1.OpResult_DeleteRange
			r.DeleteRange, err = evalDelete(b, o.DeleteRange)
			out.Result = &r
		case *consensusv1.Op_Txn:
			var r consensusv1.OpResult_Txn
			r.Txn, err = execute(ctx, rd, b, nested[0])
			nested = nested[1:]
			out.Result = &r
		}
		if err != nil {
			return nil, err
		}
		res.Results[i] = out
	}
	return res, nil
}
