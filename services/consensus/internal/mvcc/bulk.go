package mvcc

import (
	"context"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// A command that deletes a million keys makes one revision, so it is one batch: all other writes wait for it. So what it
// does for a key is little. It writes the two rows, counts them and what they replace, and remembers that the key is gone;
// its events are not made (leaveOut), and nothing of the key is held in memory but its name.
//
// What was there is read all the same: the state's digest takes it out. It stands in one block of a file with what must be
// read anyway, the key and the revision.

// eventBytes is about what an event takes beside its keys and values.
const eventBytes = 64

// addEvent adds an event to those of the command at hand.
func addEvent(b *Batch, event *consensusv1.Event) {
	b.sub++
	if b.leftOut {
		return
	}
	b.events = append(b.events, event)
	b.eventBytes += eventBytes + len(event.GetKv().GetKey()) + len(event.GetKv().GetValue()) + len(event.GetPrevKv().GetValue())
	if len(b.events) > b.s.opts.commitEventsMax || b.eventBytes > commitBytesMax {
		leaveOut(b)
	}
}

// leaveOut has the commit of the command at hand hold no events.
func leaveOut(b *Batch) { b.events, b.leftOut = nil, true }

// deleteSpan deletes the span's keys, which are many, and returns how many they were. taken sees each before it goes,
// unless it is nil.
func deleteSpan(b *Batch, s Span, taken func(*Row)) (int64, error) {
	expected, err := b.Count(context.Background(), s, NewestRevision)
	if err != nil {
		return 0, err
	}
	if expected > int64(b.s.opts.commitEventsMax) {
		leaveOut(b)
	}
	d := bulk{b: b, keys: make([]goneKey, 0, expected)}
	err = b.Scan(context.Background(), s, NewestRevision, func(r *Row) (bool, error) {
		if taken != nil {
			taken(r)
		}
		d.delete(r)
		return true, nil
	})
	b.overlay.gone.add(d.keys)
	return d.deleted, err
}

// DeleteKeys deletes those of the keys that exist. They are in order, must not change any more, and none comes twice.
func (b *Batch) DeleteKeys(keys [][]byte) error {
	if len(keys) > b.s.opts.commitEventsMax {
		leaveOut(b)
	}
	d := bulk{b: b, keys: make([]goneKey, 0, len(keys))}
	for _, key := range keys {
		var r Row
		live, err := b.Get(key, NewestRevision, &r)
		if err != nil {
			return err
		}
		if live {
			d.delete(&r)
		}
	}
	b.overlay.gone.add(d.keys)
	return nil
}

// bulk is one deletion of many keys. They become known to the commands behind it at its end, since what it reads must not
// move below it.
type bulk struct {
	b       *Batch
	deleted int64
	keys    []goneKey
}

// delete writes the tombstone of the newest version of a key, which may be read anew after the call.
func (d *bulk) delete(r *Row) {
	b := d.b
	d.deleted++
	if !b.leftOut || b.overlay.keys[string(r.Key)] != nil {
		deleteKey(b, b.slab.toKeyValue(r, true), r.Expiration)
		return
	}
	key := b.slab.copy(r.Key)
	moveAttachment(b, key, r.Lease, 0)
	moveExpiry(b, key, r.Expiration, 0)
	tombstone := Row{Key: key, Revision: b.Next(), Record: Record{Tombstone: true, sub: b.sub}}
	b.now.changeVersion(r, &tombstone)
	if b.observe != nil {
		tellChange(b, r, &tombstone)
	}
	b.now.usage.addVersion(r, &tombstone)
	b.w.valueBuf = appendRecord(b.w.valueBuf[:0], &tombstone.Record)
	b.w.set(appendVersionKey(b.w.keyBuf[:0], key, tombstone.Revision), b.w.valueBuf)
	b.w.setChange(tombstone.Revision, b.sub, &change{tombstone: true, previous: r.Revision, key: key})
	d.keys = append(d.keys, goneKey{key: key, base: r.Revision, revision: tombstone.Revision, sub: uint32(b.sub)})
	b.sub++
}

// forget drops the keys that are gone from what is remembered of the keys that were written last.
func (c *recent) forget(g *gone) {
	for _, generation := range []map[string]*Row{c.young, c.old} {
		for key := range generation {
			if g.at([]byte(key), NewestRevision) {
				delete(generation, key)
			}
		}
	}
}

// rememberGone has the batches to come know of what went in bulk.
func rememberGone(b *Batch) {
	if b.overlay.gone.keys == 0 {
		return
	}
	b.recent.forget(&b.overlay.gone)
	b.overlay.gone.each(func(k *goneKey) { b.fresh.add(k.key, b.now.revision) })
}
