package mvcc

import (
	"go.etcd.io/etcd/api/v3/mvccpb"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// Put writes a version of a key in place of prev, its newest one, which is nil if the key does not exist. The value, lease and
// expiration are r's, and neither they nor the key may change any more; all else of r is set here. A version that is made anew
// does not continue prev. It returns prev as a message, nil if there is none.
func (b *Batch) Put(r, prev *Row, anew bool) *mvccpb.KeyValue {
	b.s.counters.Puts.Add(1)
	b.s.counters.PutBytes.Add(uint64(len(r.Key) + len(r.Value)))
	r.Revision, r.Create, r.Version = b.Next(), b.Next(), 1
	// One allocation for an event, the version in it, and the one that it replaced.
	cell := &struct {
		event    consensusv1.Event
		kv, prev mvccpb.KeyValue
	}{}
	if prev != nil {
		if !anew {
			r.Create, r.Version = prev.Create, prev.Version+1
		}
		cell.prev.Key, cell.prev.Value = r.Key, b.slab.copy(prev.Value)
		cell.prev.CreateRevision, cell.prev.ModRevision = prev.Create, prev.Revision
		cell.prev.Version, cell.prev.Lease = prev.Version, prev.Lease
		cell.event.PrevKv = &cell.prev
		moveAttachment(b, r.Key, prev.Lease, r.Lease)
		moveExpiry(b, r.Key, prev.Expiration, r.Expiration)
	} else {
		moveAttachment(b, r.Key, 0, r.Lease)
		moveExpiry(b, r.Key, 0, r.Expiration)
	}
	cell.kv.Key, cell.kv.Value = r.Key, r.Value
	cell.kv.CreateRevision, cell.kv.ModRevision = r.Create, r.Revision
	cell.kv.Version, cell.kv.Lease = r.Version, r.Lease
	cell.event.Type, cell.event.Kv = consensusv1.Event_PUT, &cell.kv
	replaced := cell.event.GetPrevKv()
	writeVersion(b, r, prev, &cell.event)
	return replaced
}

// writeVersion adds a version to the state and its event to the command's. prev is the key's newest version, nil if it does not
// exist.
//
// A key has one version a revision, the last. That a transaction writes a key several times is told of, though, each write
// with what was there before the revision, as etcd does: what was overwritten stands in the history alone.
func writeVersion(b *Batch, r, prev *Row, event *consensusv1.Event) {
	b.now.changeVersion(prev, r)
	if b.observe != nil {
		tellChange(b, prev, r)
	}
	r.sub = b.sub
	c := change{tombstone: r.Tombstone, key: r.Key}
	if k := b.overlay.find(r.Key); k != nil && k.newest().Revision == r.Revision {
		writeAgain(b, k, r, event, &c)
	} else {
		if prev != nil {
			c.previous = prev.Revision
		}
		b.now.usage.addVersion(prev, r)
	}
	addEvent(b, event)
	b.w.valueBuf = appendRecord(b.w.valueBuf[:0], &r.Record)
	b.w.set(appendVersionKey(b.w.keyBuf[:0], r.Key, r.Revision), b.w.valueBuf)
	b.w.setChange(r.Revision, r.sub, &c)
	b.overlay.add(*r, c.previous, event.GetPrevKv()).recreated = c.recreated
}

// writeAgain completes a change of a key that the command at hand has changed already.
func writeAgain(b *Batch, k *overlayKey, r *Row, event *consensusv1.Event, c *change) {
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
	b.w.setChange(last.Revision, last.sub, &overwritten)
	b.now.usage.takeVersion(&last)
	b.now.usage.spent += changeUsage(&overwritten)
	b.now.usage.addVersion(nil, r)
}

// moveAttachment attaches a key to the lease that it now has.
func moveAttachment(b *Batch, key []byte, from, to int64) {
	if from == to {
		return
	}
	if from != 0 {
		b.now.usage.live -= attachmentRowBytes + int64(len(key))
		b.w.delete(appendAttachmentKey(b.w.keyBuf[:0], from, key))
		noteMove(b, from, key, false)
	}
	if to != 0 {
		b.now.usage.live += attachmentRowBytes + int64(len(key))
		b.w.set(appendAttachmentKey(b.w.keyBuf[:0], to, key), nil)
		noteMove(b, to, key, true)
	}
}
