package mvcc

import (
	"context"

	"go.etcd.io/etcd/api/v3/mvccpb"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// Delete deletes the keys of a span and returns how many there were, and, if they are to be told, their last versions.
func (b *Batch) Delete(s Span, tell bool) (deleted int64, prevs []*mvccpb.KeyValue, err error) {
	expirations, many := make(map[int]int64), false
	err = b.Scan(context.Background(), s, NewestRevision, func(r *Row) (bool, error) {
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
		return 0, nil, err
	}
	if many {
		return deleteMany(b, s, tell)
	}
	for i, prev := range prevs {
		deleteKey(b, prev, expirations[i])
	}
	if !tell {
		return int64(len(prevs)), nil, nil
	}
	return int64(len(prevs)), prevs, nil
}

// deleteMany is Delete for more keys than are looked at twice.
func deleteMany(b *Batch, s Span, tell bool) (deleted int64, prevs []*mvccpb.KeyValue, err error) {
	var taken func(*Row)
	if tell {
		taken = func(r *Row) { prevs = append(prevs, b.slab.toKeyValue(r, true)) }
	}
	deleted, err = deleteSpan(b, s, taken)
	return deleted, prevs, err
}

// deleteKey writes the tombstone of a key whose newest version is prev, which had an expiration or 0.
func deleteKey(b *Batch, prev *mvccpb.KeyValue, expiration int64) {
	moveAttachment(b, prev.GetKey(), prev.GetLease(), 0)
	moveExpiry(b, prev.GetKey(), expiration, 0)
	cell := &struct {
		event consensusv1.Event
		kv    mvccpb.KeyValue
	}{}
	cell.kv.Key, cell.kv.ModRevision = prev.GetKey(), b.Next()
	cell.event.Type, cell.event.Kv, cell.event.PrevKv = consensusv1.Event_DELETE, &cell.kv, prev
	r := Row{Key: prev.GetKey(), Revision: b.Next(), Record: Record{Tombstone: true}}
	writeVersion(b, &r, &Row{Key: prev.GetKey(), Revision: prev.GetModRevision(), Record: Record{
		Create: prev.GetCreateRevision(), Version: prev.GetVersion(), Lease: prev.GetLease(),
		Expiration: expiration, Value: prev.GetValue(),
	}}, &cell.event)
}
