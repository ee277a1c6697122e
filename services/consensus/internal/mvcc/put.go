package mvcc

import (
	"bytes"
	"fmt"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/pkg/problem"
)

func (b *Batch) applyPut(op *consensusv1.PutOp) (*consensusv1.Result, error) {
	if b.raised(consensusv1.Alarm_TYPE_NOSPACE) {
		return nil, problem.ErrNoSpace
	}
	if err := b.checkLease(op.GetLease()); err != nil {
		return nil, err
	}
	var prev Row
	live, err := b.Get(op.GetKey(), NewestRevision, &prev)
	if err != nil {
		return nil, err
	}
	if !live && keepsSomething(op) {
		return nil, fmt.Errorf("put %q: %w", op.GetKey(), problem.ErrKeyNotFound)
	}
	// One allocation for the three messages of the most frequent answer.
	answer := &struct {
		result consensusv1.Result
		put    consensusv1.Result_Put
		body   consensusv1.PutResult
	}{}
	answer.result.Result, answer.put.Put = &answer.put, &answer.body
	b.put(op, &prev, live, &answer.body)
	return &answer.result, nil
}

func keepsSomething(op *consensusv1.PutOp) bool { return op.GetIgnoreValue() || op.GetIgnoreLease() }

// put writes a put that was checked. prev is the key's newest version, if it exists.
func (b *Batch) put(op *consensusv1.PutOp, prev *Row, live bool, res *consensusv1.PutResult) {
	b.s.counters.puts.Add(1)
	r := Row{Key: op.GetKey(), Revision: b.Next(), Record: Record{
		Create: b.Next(), Version: 1, Lease: op.GetLease(), Value: op.GetValue(),
	}}
	// One allocation for an event, the version in it, and the one that it replaced.
	cell := &struct {
		event    consensusv1.Event
		kv, prev consensusv1.KeyValue
	}{}
	if live {
		r.Create, r.Version = prev.Create, prev.Version+1
		cell.prev.Key, cell.prev.Value = r.Key, b.slab.copy(prev.Value)
		cell.prev.CreateRevision, cell.prev.ModRevision = prev.Create, prev.Revision
		cell.prev.Version, cell.prev.Lease = prev.Version, prev.Lease
		cell.event.PrevKv = &cell.prev
		if op.GetPrevKv() {
			res.PrevKv = &cell.prev
		}
		if op.GetIgnoreValue() {
			r.Value = bytes.Clone(cell.prev.Value)
		}
		if op.GetIgnoreLease() {
			r.Lease = prev.Lease
		}
		b.moveAttachment(r.Key, prev.Lease, r.Lease)
		b.moveExpiry(r.Key, prev.Expiration, 0)
	} else {
		b.moveAttachment(r.Key, 0, r.Lease)
	}
	cell.kv.Key, cell.kv.Value = r.Key, r.Value
	cell.kv.CreateRevision, cell.kv.ModRevision = r.Create, r.Revision
	cell.kv.Version, cell.kv.Lease = r.Version, r.Lease
	cell.event.Type, cell.event.Kv = consensusv1.Event_PUT, &cell.kv
	b.write(&r, prev, live, &cell.event)
}

// write adds a version to the state and its event to the command's. prev is the key's newest version, if it exists.
//
// A key has one version a revision, the last. That a transaction writes a key several times is told of, though, each write
// with what was there before the revision, as etcd does: what was overwritten stands in the history alone.
func (b *Batch) write(r, prev *Row, live bool, event *consensusv1.Event) {
	if !live {
		prev = nil
	}
	b.now.changeVersion(prev, r)
	r.sub = b.sub
	c := change{tombstone: r.Tombstone, key: r.Key}
	if k := b.overlay.find(r.Key); k != nil && k.newest().Revision == r.Revision {
		b.writeAgain(k, r, event, &c)
	} else {
		if live {
			c.previous = prev.Revision
		}
		b.now.usage.addVersion(prev, r)
	}
	b.tell(event)
	b.valueBuf = appendRecord(b.valueBuf[:0], &r.Record)
	b.set(appendVersionKey(b.keyBuf[:0], r.Key, r.Revision), b.valueBuf)
	b.setChange(r.Revision, r.sub, &c)
	b.overlay.add(*r, c.previous, event.GetPrevKv()).recreated = c.recreated
}

// writeAgain completes a change of a key that the command at hand has changed already.
func (b *Batch) writeAgain(k *overlayKey, r *Row, event *consensusv1.Event, c *change) {
	last := *k.newest()
	c.previous = k.beforeRevision
	c.recreated = !r.Tombstone && r.Create == r.Revision && c.previous != 0
	event.PrevKv = k.before
	if c.recreated {
		event.PrevKv = nil
	}
	overwritten := change{
		tombstone: last.Tombstone, previous: c.previous, key: r.Key, overwritten: true, record: last.Record,
		recreated: k.recreated,
	}
	b.setChange(last.Revision, last.sub, &overwritten)
	b.now.usage.takeVersion(&last)
	b.now.usage.spent += changeUsage(&overwritten)
	b.now.usage.addVersion(nil, r)
}

func (b *Batch) setChange(revision, sub int64, c *change) {
	b.valueBuf = appendChange(b.valueBuf[:0], c)
	b.set(appendHistoryKey(b.keyBuf[:0], revision, sub), b.valueBuf)
}

// moveAttachment attaches a key to the lease that it now has.
func (b *Batch) moveAttachment(key []byte, from, to int64) {
	if from == to {
		return
	}
	if from != 0 {
		b.now.usage.live -= attachmentRowBytes + int64(len(key))
		b.delete(appendAttachmentKey(b.keyBuf[:0], from, key))
	}
	if to != 0 {
		b.now.usage.live += attachmentRowBytes + int64(len(key))
		b.set(appendAttachmentKey(b.keyBuf[:0], to, key), nil)
	}
}
