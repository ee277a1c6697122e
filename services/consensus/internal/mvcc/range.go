package mvcc

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"slices"

	"go.etcd.io/etcd/api/v3/mvccpb"
	"google.golang.org/protobuf/proto"

	"github.com/quoratedb/quorate/pkg/budget"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// Range reads from one revision, and returns with it the revision that was newest then. It fails with
// errdefs.ErrCompacted or errdefs.ErrFutureRevision, or when ctx ends. Nothing of the result is shared.
func (s *Store) Range(ctx context.Context, op *consensusv1.RangeOp) (res *consensusv1.RangeResult, head int64, err error) {
	s.counters.Ranges.Add(1)
	v, err := s.View(ctx)
	if err != nil {
		return nil, 0, err
	}
	defer func() { err = errors.Join(err, v.Close()) }()
	if err := CheckRevision(v, op.GetRevision()); err != nil {
		return nil, v.revision, err
	}
	res, err = EvalRange(ctx, v, op)
	return res, v.revision, err
}

// EvalRange evaluates a range whose revision was checked.
func EvalRange(ctx context.Context, rd Reader, op *consensusv1.RangeOp) (*consensusv1.RangeResult, error) {
	q := newQuery(op)
	q.grow = func(bytes int64) error { return Grow(ctx, bytes) }
	q.slab.pooled = true
	res, err := q.eval(ctx, rd)
	if err == nil && len(q.slab.taken) > 0 {
		budget.WhenEncoded(ctx, q.slab.reuse)
	}
	return res, err
}

func (q *query) eval(ctx context.Context, rd Reader) (*consensusv1.RangeResult, error) {
	op := q.op
	if op.GetCountOnly() {
		n, err := rd.Count(ctx, q.span, q.revision)
		return &consensusv1.RangeResult{Count: n}, err
	}
	if v, ok := rd.(*View); ok {
		if res, err := v.lastKeys(ctx, q); res != nil || err != nil {
			return res, err
		}
	}
	if q.fetch > 0 {
		q.slab.reserve(int(min(q.fetch, 1<<20)))
	}
	if err := rd.Scan(ctx, q.span, q.revision, q.take); err != nil {
		return nil, err
	}
	res := &consensusv1.RangeResult{Kvs: q.kvs, Count: q.seen}
	if q.cut {
		n, err := q.count(ctx, rd)
		if err != nil {
			return nil, err
		}
		res.Count, res.More = n, true
	}
	q.sort(res.Kvs)
	if limit := op.GetLimit(); limit > 0 && int64(len(res.Kvs)) > limit {
		res.Kvs, res.More = res.Kvs[:limit], true
	}
	res.More = res.More || q.passedOver
	if op.GetKeysOnly() {
		for _, kv := range res.Kvs {
			kv.Value = nil
		}
	}
	return res, nil
}

// query collects the rows of a range request.
type query struct {
	op       *consensusv1.RangeOp
	span     Span
	revision int64
	// fetch is after how many keys the scan may stop, 0 for never.
	fetch int64
	// values tells whether the values and leases are needed, be it for sorting alone.
	values bool

	seen int64
	// cut is set when the scan stopped before the span's end.
	cut  bool
	kvs  []*mvccpb.KeyValue
	slab slab
	// passedOver is set when there was more than the limit, of what is sorted or filtered.
	passedOver bool
	// grow waits for room for so many bytes of the answer, nil where what is read is sent at once. held is what kvs take, grown what there is
	// room for.
	grow        func(bytes int64) error
	held, grown int
}

func newQuery(op *consensusv1.RangeOp) *query {
	q := &query{op: op, span: NewSpan(op.GetKey(), op.GetRangeEnd()), revision: op.GetRevision()}
	if q.revision <= 0 {
		q.revision = NewestRevision
	}
	q.values = !op.GetKeysOnly() || op.GetSortTarget() == consensusv1.RangeOp_SORT_TARGET_VALUE
	if q.inOrder() && !q.filters() && op.GetLimit() > 0 {
		q.fetch = op.GetLimit()
		if op.GetSortTarget() > consensusv1.RangeOp_SORT_TARGET_UNSPECIFIED {
			// One more than the limit takes part in sorting, as in etcd: it is fetched to learn whether there is more.
			q.fetch++
		}
	}
	return q
}

// inOrder tells whether the limit applies to keys in their own order. As in etcd, a target without an order means so too,
// although what was fetched is sorted then.
func (q *query) inOrder() bool {
	return q.op.GetSortOrder() == consensusv1.RangeOp_SORT_ORDER_UNSPECIFIED || q.byKey() && !q.descending()
}

func (q *query) byKey() bool {
	return q.op.GetSortTarget() == consensusv1.RangeOp_SORT_TARGET_UNSPECIFIED
}

func (q *query) descending() bool {
	return q.op.GetSortOrder() == consensusv1.RangeOp_SORT_ORDER_DESCEND
}

func (q *query) filters() bool {
	return q.op.GetMinModRevision() != 0 || q.op.GetMaxModRevision() != 0 ||
		q.op.GetMinCreateRevision() != 0 || q.op.GetMaxCreateRevision() != 0
}

// sorts tells whether the answer is not in the order of keys.
func (q *query) sorts() bool { return !q.byKey() || q.descending() }

// take looks at one row, and stops the scan at the first that is too many.
func (q *query) take(r *Row) (more bool, err error) {
	if q.fetch > 0 && q.seen == q.fetch {
		q.cut = true
		return false, nil
	}
	q.seen++
	if !q.wanted(r) {
		return true, nil
	}
	if q.span.single {
		q.slab.grow(q.bytes(r)) // there is no other
	}
	if limit := q.op.GetLimit(); limit > 0 && q.fetch == 0 && int64(len(q.kvs)) >= limit {
		if !q.sorts() {
			q.passedOver = true
			return true, nil
		}
		if int64(len(q.kvs)) >= 2*limit+sortedAtOnce {
			q.keepFirst(int(limit))
		}
	}
	q.kvs = append(q.kvs, q.slab.toKeyValue(r, q.values))
	return true, q.account(r)
}

// sortedAtOnce is how many more keys than twice the limit are sorted before those beyond it are forgotten.
const sortedAtOnce = 1024

// keepFirst forgets all but the first few in the order asked for, each of which gets memory of its own: a range of a million keys, of which the newest
// is wanted, is not held whole.
func (q *query) keepFirst(limit int) {
	if q.byKey() { // descending: the last ones
		q.kvs = q.kvs[len(q.kvs)-limit:]
	} else {
		q.sort(q.kvs)
		q.kvs = q.kvs[:limit]
	}
	q.passedOver, q.slab, q.held = true, slab{}, 0
	kept := make([]*mvccpb.KeyValue, limit, 2*limit+sortedAtOnce+1)
	for i, kv := range q.kvs {
		kept[i] = proto.CloneOf(kv)
		q.held += keyValueBytes + len(kv.GetKey()) + len(kv.GetValue())
	}
	q.kvs = kept
}

// count counts the keys of a range whose scan was stopped. Those that were read are not looked at again.
func (q *query) count(ctx context.Context, rd Reader) (int64, error) {
	rest, read := q.span, 0
	if n := len(q.kvs); n > 0 {
		if low := rd.CountedFrom(rest.low, q.kvs[n-1].GetKey()); low != nil {
			rest.low = low
			read, _ = slices.BinarySearchFunc(q.kvs, low, func(kv *mvccpb.KeyValue, low []byte) int { return bytes.Compare(kv.GetKey(), low) })
		}
	}
	n, err := rd.Count(ctx, rest, q.revision)
	return int64(read) + n, err
}

// keyValueBytes is about what a key-value of an answer takes beside its key and value.
const keyValueBytes = 128

// bytes is what the answer holds of a row.
func (q *query) bytes(r *Row) int {
	if !q.values {
		return len(r.Key)
	}
	return len(r.Key) + len(r.Value)
}

// account asks for the memory of what was taken, in steps.
func (q *query) account(r *Row) error {
	q.held += keyValueBytes + q.bytes(r)
	more := q.held - q.grown
	if q.grow == nil || more < budget.AnswerStep {
		return nil
	}
	q.grown = q.held
	return q.grow(int64(more))
}

func (q *query) wanted(r *Row) bool {
	op := q.op
	return (op.GetMinModRevision() == 0 || r.Revision >= op.GetMinModRevision()) &&
		(op.GetMaxModRevision() == 0 || r.Revision <= op.GetMaxModRevision()) &&
		(op.GetMinCreateRevision() == 0 || r.Create >= op.GetMinCreateRevision()) &&
		(op.GetMaxCreateRevision() == 0 || r.Create <= op.GetMaxCreateRevision())
}

// sort brings what was fetched by key into the order asked for. Equals stay in the order of keys.
func (q *query) sort(kvs []*mvccpb.KeyValue) {
	if q.byKey() {
		if q.descending() {
			slices.Reverse(kvs)
		}
		return
	}
	compare := comparators[q.op.GetSortTarget()]
	if compare == nil {
		return
	}
	if q.descending() {
		ascending := compare
		compare = func(a, b *mvccpb.KeyValue) int { return ascending(b, a) }
	}
	slices.SortStableFunc(kvs, compare)
}

var comparators = map[consensusv1.RangeOp_SortTarget]func(a, b *mvccpb.KeyValue) int{
	consensusv1.RangeOp_SORT_TARGET_VERSION: func(a, b *mvccpb.KeyValue) int {
		return cmp.Compare(a.GetVersion(), b.GetVersion())
	},
	consensusv1.RangeOp_SORT_TARGET_CREATE: func(a, b *mvccpb.KeyValue) int {
		return cmp.Compare(a.GetCreateRevision(), b.GetCreateRevision())
	},
	consensusv1.RangeOp_SORT_TARGET_MOD: func(a, b *mvccpb.KeyValue) int {
		return cmp.Compare(a.GetModRevision(), b.GetModRevision())
	},
	consensusv1.RangeOp_SORT_TARGET_VALUE: func(a, b *mvccpb.KeyValue) int {
		return bytes.Compare(a.GetValue(), b.GetValue())
	},
}
