package mvcc

import (
	"context"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

func (b *Batch) applyDeleteRange(op *consensusv1.DeleteRangeOp) (*consensusv1.Result, error) {
	res, err := b.deleteRange(op)
	if err != nil {
		return nil, err
	}
	return &consensusv1.Result{Result: &consensusv1.Result_DeleteRange{DeleteRange: res}}, nil
}

func (b *Batch) deleteRange(op *consensusv1.DeleteRangeOp) (*consensusv1.DeleteRangeResult, error) {
	b.s.counters.deletes.Add(1)
	var prevs []*consensusv1.KeyValue
	expirations := make(map[int]int64)
	s, many := NewSpan(op.GetKey(), op.GetRangeEnd()), false
	err := b.Scan(context.Background(), s, NewestRevision, func(r *Row) (bool, error) {
		if len(prevs) == b.s.opts.bulkKeysMin {
			many = true
			return false, nil
		}
		if r.Expiration != 0 {
			expirations[len(prevs)] = r.Expiration
		}
		prevs = append(prevs, b.slab.toKeyValue(r, true))
		return true, nil
	})
	if err != nil {
		return nil, err
	}
	if many {
		return b.deleteMany(s, op.GetPrevKv() && !b.Unanswered)
	}
	for i, prev := range prevs {
		b.deleteKey(prev, expirations[i])
	}
	res := &consensusv1.DeleteRangeResult{Deleted: int64(len(prevs))}
	if op.GetPrevKv() {
		res.PrevKvs = prevs
	}
	return res, nil
}

// deleteMany is deleteRange for more keys than are looked at twice.
func (b *Batch) deleteMany(s Span, tell bool) (*consensusv1.DeleteRangeResult, error) {
	res := &consensusv1.DeleteRangeResult{}
	var taken func(*Row)
	if tell {
		taken = func(r *Row) { res.PrevKvs = append(res.PrevKvs, b.slab.toKeyValue(r, true)) }
	}
	var err error
	res.Deleted, err = b.deleteSpan(s, taken)
	return res, err
}

// deleteKey writes the tombstone of a key whose newest version is prev, which had an expiration or 0.
func (b *Batch) deleteKey(prev *consensusv1.KeyValue, expiration int64) {
	b.moveAttachment(prev.GetKey(), prev.GetLease(), 0)
	b.moveExpiry(prev.GetKey(), expiration, 0)
	cell := &struct {
		event consensusv1.Event
		kv    consensusv1.KeyValue
	}{}
	cell.kv.Key, cell.kv.ModRevision = prev.GetKey(), b.Next()
	cell.event.Type, cell.event.Kv, cell.event.PrevKv = consensusv1.Event_DELETE, &cell.kv, prev
	r := Row{Key: prev.GetKey(), Revision: b.Next(), Record: Record{Tombstone: true}}
	b.write(&r, &Row{Key: prev.GetKey(), Revision: prev.GetModRevision(), Record: Record{
		Create: prev.GetCreateRevision(), Version: prev.GetVersion(), Lease: prev.GetLease(),
		Expiration: expiration, Value: prev.GetValue(),
	}}, true, &cell.event)
}
