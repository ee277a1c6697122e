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
	var prev row
	live, err := b.get(op.GetKey(), newestRevision, &prev)
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
func (b *Batch) put(op *consensusv1.PutOp, prev *row, live bool, res *consensusv1.PutResult) {
	b.s.counters.puts.Add(1)
	r := row{key: op.GetKey(), revision: b.next(), record: record{
		create: b.next(), version: 1, lease: op.GetLease(), value: op.GetValue(),
	}}
	// One allocation for an event, the version in it, and the one that it replaced.
	cell := &struct {
		event    consensusv1.Event
		kv, prev consensusv1.KeyValue
	}{}
	if live {
		r.create, r.version = prev.create, prev.version+1
		cell.prev.Key, cell.prev.Value = r.key, b.slab.copy(prev.value)
		cell.prev.CreateRevision, cell.prev.ModRevision = prev.create, prev.revision
		cell.prev.Version, cell.prev.Lease = prev.version, prev.lease
		cell.event.PrevKv = &cell.prev
		if op.GetPrevKv() {
			res.PrevKv = &cell.prev
		}
		if op.GetIgnoreValue() {
			r.value = bytes.Clone(cell.prev.Value)
		}
		if op.GetIgnoreLease() {
			r.lease = prev.lease
		}
		b.moveAttachment(r.key, prev.lease, r.lease)
		b.moveExpiry(r.key, prev.expiration, 0)
	} else {
		b.moveAttachment(r.key, 0, r.lease)
	}
	cell.kv.Key, cell.kv.Value = r.key, r.value
	cell.kv.CreateRevision, cell.kv.ModRevision = r.create, r.revision
	cell.kv.Version, cell.kv.Lease = r.version, r.lease
	cell.event.Type, cell.event.Kv = consensusv1.Event_PUT, &cell.kv
	b.write(&r, prev, live, &cell.event)
}

// write adds a version to the state and its event to the command's. prev is the key's newest version, if it exists.
//
// A key has one version a revision, the last. That a transaction writes a key several times is told of, though, each write
// with what was there before the revision, as etcd does: what was overwritten stands in the history alone.
func (b *Batch) write(r, prev *row, live bool, event *consensusv1.Event) {
	if !live {
		prev = nil
	}
	b.now.changeVersion(prev, r)
	r.sub = b.sub
	c := change{tombstone: r.tombstone, key: r.key}
	if k := b.overlay.find(r.key); k != nil && k.newest().revision == r.revision {
		b.writeAgain(k, r, event, &c)
	} else {
		if live {
			c.previous = prev.revision
		}
		b.now.usage.addVersion(prev, r)
	}
	b.tell(event)
	b.valueBuf = appendRecord(b.valueBuf[:0], &r.record)
	b.set(appendVersionKey(b.keyBuf[:0], r.key, r.revision), b.valueBuf)
	b.setChange(r.revision, r.sub, &c)
	b.overlay.add(*r, c.previous, event.GetPrevKv()).recreated = c.recreated
}

// writeAgain completes a change of a key that the command at hand has changed already.
func (b *Batch) writeAgain(k *overlayKey, r *row, event *consensusv1.Event, c *change) {
	last := *k.newest()
	c.previous = k.beforeRevision
	c.recreated = !r.tombstone && r.create == r.revision && c.previous != 0
	event.PrevKv = k.before
	if c.recreated {
		event.PrevKv = nil
	}
	overwritten := change{
		tombstone: last.tombstone, previous: c.previous, key: r.key, overwritten: true, record: last.record,
		recreated: k.recreated,
	}
	b.setChange(last.revision, last.sub, &overwritten)
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
