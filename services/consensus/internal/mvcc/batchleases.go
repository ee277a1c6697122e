package mvcc

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/cockroachdb/pebble/v2"
)

// leaseTable has every lease in memory, some forty bytes each. A grant must know that there is no such lease, a put that there is one, a
// checkpoint and a revoke what was recorded of it: looked up among the rows, each costs a search in the memtable and in every table
// that may have one, and an iterator a batch that puts do without.
type leaseTable struct {
	// known are the leases that are committed, nil until they are asked for, and read, once.
	known map[int64]LeaseTimes
	// changed are those that the batch at hand has made, recorded or ended.
	changed map[int64]leaseChange
	keys    leaseKeys
}

type leaseChange struct {
	LeaseTimes
	ended bool
}

// leaseChangesKept is for how many leases that a batch changes memory is kept: more than all but the largest revokes have.
const leaseChangesKept = 1 << 10

func newLeaseTable() leaseTable {
	return leaseTable{changed: make(map[int64]leaseChange), keys: newLeaseKeys(leaseKeysBytesMax)}
}

// read reads the leases that are committed, unless that was done.
func (t *leaseTable) read(s *Store) error {
	if t.known != nil {
		return nil
	}
	known := make(map[int64]LeaseTimes)
	lower, upper := spaceLease.bounds()
	err := s.each(lower, upper, func(k, v []byte) error {
		id, err := splitLeaseKey(k)
		if err != nil {
			return err
		}
		known[id], err = decodeLease(v)
		return err
	})
	if err == nil {
		t.known = known
	}
	return err
}

func (t *leaseTable) get(id int64) (LeaseTimes, bool) {
	if c, ok := t.changed[id]; ok {
		return c.LeaseTimes, !c.ended
	}
	times, ok := t.known[id]
	return times, ok
}

// commit makes what the batch has changed what is known.
func (t *leaseTable) commit() {
	for id, c := range t.changed {
		if c.ended {
			delete(t.known, id)
			t.keys.forget(id)
			continue
		}
		if _, existed := t.known[id]; !existed {
			t.keys.remember(id, "")
		}
		t.known[id] = c.LeaseTimes
	}
	t.keys.commit()
}

// reset forgets what the batch has changed.
func (t *leaseTable) reset() {
	t.keys.reset()
	if len(t.changed) > leaseChangesKept {
		t.changed = make(map[int64]leaseChange)
		return
	}
	clear(t.changed)
}

// Lease returns the times of a lease, and whether it exists.
func (b *Batch) Lease(id int64) (times LeaseTimes, exists bool, err error) {
	if err := b.leases.read(b.s); err != nil {
		return LeaseTimes{}, false, err
	}
	times, exists = b.leases.get(id)
	return times, exists, nil
}

// SetLease stores a lease in place of what Lease has told of it.
func (b *Batch) SetLease(id int64, is LeaseTimes) {
	was, existed := b.leases.get(id)
	if existed {
		b.now.replace(hashLease(id, was), hashLease(id, is))
	} else {
		b.now.replace(0, hashLease(id, is))
		b.now.usage.live += leaseRowBytes
	}
	b.leases.changed[id] = leaseChange{LeaseTimes: is}
	b.w.valueBuf = appendLease(b.w.valueBuf[:0], is)
	b.w.set(appendLeaseKey(b.w.keyBuf[:0], id), b.w.valueBuf)
}

// DropLease deletes a lease that, as Lease has told, exists. What is attached to it is its caller's.
func (b *Batch) DropLease(id int64) {
	was, _ := b.leases.get(id)
	b.now.replace(hashLease(id, was), 0)
	b.now.usage.live -= leaseRowBytes
	b.leases.changed[id] = leaseChange{ended: true}
	b.w.delete(appendLeaseKey(b.w.keyBuf[:0], id))
}

// Attached returns the keys that are attached to any of the leases, in no order. A key is attached to one lease at a time, so none comes
// twice.
//
// Leases that end together, and of which it is not known what they have, are looked up with one iterator, in the order of the rows: it stands
// where the next one's begin, or before them.
func (b *Batch) Attached(ids []int64) (keys [][]byte, err error) {
	var unknown []int64
	for _, id := range ids {
		for _, k := range b.overlay.attached(id) {
			keys = append(keys, k.key)
		}
		var known bool
		if keys, known = appendKnown(b, id, keys); !known {
			unknown = append(unknown, id)
		}
	}
	if len(unknown) == 0 {
		return keys, nil
	}
	slices.SortFunc(unknown, func(a, b int64) int { return cmp.Compare(uint64(a), uint64(b)) })
	base, err := seekBase(b)
	if err != nil {
		return nil, err
	}
	lower, upper := spaceAttachment.bounds()
	it, err := base.it.Clone(pebble.CloneOptions{IterOptions: &pebble.IterOptions{LowerBound: lower, UpperBound: upper}})
	if err != nil {
		return nil, err
	}
	for _, id := range unknown {
		if keys, err = appendAttached(b, it, id, keys); err != nil {
			break
		}
	}
	return keys, cmp.Or(err, it.Close())
}

// appendAttached appends the keys that a lease has by the rows that are committed, but for those of which the overlay knows better.
func appendAttached(b *Batch, it *pebble.Iterator, id int64, keys [][]byte) ([][]byte, error) {
	lower, upper := attachmentBounds(id)
	// Without the limit, what other leases had and is deleted would be stepped over.
	for at := it.SeekGEWithLimit(lower, upper); at == pebble.IterValid && bytes.Compare(it.Key(), upper) < 0; at = it.NextWithLimit(upper) {
		_, key, err := splitAttachmentKey(it.Key())
		if err != nil {
			return keys, err
		}
		if !outdated(b, key) {
			keys = append(keys, b.slab.copy(key))
		}
	}
	return keys, it.Error()
}
