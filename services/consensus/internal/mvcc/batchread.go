package mvcc

import (
	"bytes"
	"context"

	"github.com/cockroachdb/pebble/v2"

	"github.com/quoratedb/quorate/services/consensus/internal/mvcc/count"
)

// What a batch reads is what was committed when it began, with its own changes in front.

// Bounds lets commands ask for the revisions before them only.
func (b *Batch) Bounds() (compacted, newest int64) { return b.now.compacted, b.now.revision }

func (b *Batch) Get(key []byte, revision int64, r *Row) (bool, error) {
	if k := b.overlay.keys[string(key)]; k != nil {
		if v := k.at(revision); v != nil {
			*r = *v
			return !v.Tombstone, nil
		}
	} else if b.overlay.gone.at(key, revision) {
		*r = Row{Key: key, Record: Record{Tombstone: true}}
		return false, nil
	}
	return getBase(b, key, revision, r)
}

// getBase is Get on what was committed when the batch began.
func getBase(b *Batch, key []byte, revision int64, r *Row) (bool, error) {
	newest := revision >= b.begun.revision
	if newest && b.found.Key != nil && bytes.Equal(b.found.Key, key) {
		*r = b.found
		return b.foundLive, nil
	}
	if newest {
		if known := b.recent.get(key); known != nil {
			*r = *known
			return !r.Tombstone, nil
		}
	}
	it, err := seeker(b, key, newest)
	if err != nil {
		return false, err
	}
	b.w.keyBuf = appendVersionKey(b.w.keyBuf[:0], key, revision)
	live, err := seekVersion(it, b.w.keyBuf, key, r)
	if newest && err == nil {
		b.found, b.foundLive = *r, live
		b.found.Key = key
	}
	return live, err
}

// forgetFound is called before an iterator moves on whose memory what was found may refer to.
func forgetFound(b *Batch) {
	if b.foundLive {
		b.found.Key = nil
	}
}

// seeker returns an iterator that finds a key's versions, or its newest: the smallest that will do.
func seeker(b *Batch, key []byte, newest bool) (*pebble.Iterator, error) {
	if newest {
		durable, err := seekDurable(b)
		if err != nil || !b.fresh.has(key) {
			return durable, err
		}
	}
	base, err := seekBase(b)
	if err != nil {
		return nil, err
	}
	return base.it, nil
}

// seekDurable returns an iterator over what is on disk, to be moved by the caller.
func seekDurable(b *Batch) (*pebble.Iterator, error) {
	forgetFound(b)
	if b.durable == nil {
		flushes := b.s.flushes.Load()
		it, err := b.s.db.NewIter(&pebble.IterOptions{OnlyReadGuaranteedDurable: true, UseL6Filters: true})
		if err != nil {
			return nil, err
		}
		b.durable = it
		return it, b.fresh.settle(it, flushes)
	}
	return b.durable, nil
}

// settleFresh has fresh forget what is on disk by now where no look-up does: writes of keys that recent holds make none.
func settleFresh(b *Batch) error {
	if b.durable != nil || len(b.fresh.generations) <= generationsUnsettledMax || b.s.flushes.Load() == b.fresh.flushes {
		return nil
	}
	_, err := seekDurable(b)
	return err
}

// seekBase returns the view of what was committed when the batch began, to be moved by the caller.
func seekBase(b *Batch) (*View, error) {
	forgetFound(b)
	if b.base == nil {
		it, err := b.s.db.NewIter(&pebble.IterOptions{UseL6Filters: true})
		if err != nil {
			return nil, err
		}
		b.base = &View{s: b.s, it: it, state: b.begun, floor: b.begun.compacted}
	}
	return b.base, nil
}

func (b *Batch) Scan(ctx context.Context, s Span, revision int64, fn func(*Row) (bool, error)) error {
	if s.single {
		var r Row
		live, err := b.Get(s.low, revision, &r)
		if err != nil || !live {
			return err
		}
		_, err = fn(&r)
		return err
	}
	return scan(b, s, revision, fn, func(base *View, counts *count.Index, fn func(*Row) (bool, error)) error {
		return scanVersions(ctx, base.it, s, revision, counts, fn)
	})
}

// ScanAlone is Scan of the newest versions, with an fn that asks the batch for nothing: so it can go over the iterator that look-ups use. To make
// one is most of what a scan of one key costs.
func ScanAlone(b *Batch, s Span, fn func(*Row) (bool, error)) error {
	return scan(b, s, NewestRevision, fn, func(base *View, counts *count.Index, fn func(*Row) (bool, error)) error {
		lower, upper := s.bounds()
		return walkVersions(context.Background(), base.it, base.it.SeekGE(lower), upper, NewestRevision, counts, fn)
	})
}

// scan lays what the batch has changed over a walk through what is committed.
func scan(b *Batch, s Span, revision int64, fn func(*Row) (bool, error), walk func(*View, *count.Index, func(*Row) (bool, error)) error) error {
	base, err := seekBase(b)
	if err != nil || s.empty() {
		return err
	}
	m := merge{changed: b.overlay.within(s), gone: &b.overlay.gone, revision: revision, fn: fn}
	var counts *count.Index
	if revision >= b.begun.revision {
		counts = b.begun.counts
	}
	err = walk(base, counts, m.base)
	if err == nil && !m.done {
		err = m.rest(nil)
	}
	return err
}

// Exists is Get of a newest version for a key that is asked for again and again: that it does not exist is remembered too.
func Exists(b *Batch, key []byte) (bool, error) {
	var r Row
	live, err := b.Get(key, NewestRevision, &r)
	if err != nil || live || b.overlay.keys[string(key)] != nil || b.overlay.gone.at(key, NewestRevision) || b.recent.get(key) != nil {
		return live, err
	}
	b.recent.put(&Row{Key: bytes.Clone(key), Record: Record{Tombstone: true}})
	return false, nil
}

// merge lays the changed keys of an overlay over a scan of what is committed.
type merge struct {
	changed  []*overlayKey
	gone     *gone
	revision int64
	fn       func(*Row) (bool, error)
	done     bool
}

// base takes the next committed row.
func (m *merge) base(r *Row) (bool, error) {
	if err := m.rest(r.Key); err != nil || m.done {
		return false, err
	}
	if len(m.changed) > 0 && bytes.Equal(m.changed[0].key, r.Key) {
		k := m.changed[0]
		m.changed = m.changed[1:]
		if v := k.at(m.revision); v != nil {
			return !m.done, m.emit(v)
		}
	} else if m.gone.at(r.Key, m.revision) {
		return true, nil
	}
	return !m.done, m.emit(r)
}

// rest emits the changed keys below limit, all if it is nil.
func (m *merge) rest(limit []byte) error {
	for len(m.changed) > 0 && !m.done && (limit == nil || bytes.Compare(m.changed[0].key, limit) < 0) {
		k := m.changed[0]
		m.changed = m.changed[1:]
		if v := k.at(m.revision); v != nil {
			if err := m.emit(v); err != nil {
				return err
			}
		}
	}
	return nil
}

func (m *merge) emit(r *Row) error {
	if r.Tombstone {
		return nil
	}
	more, err := m.fn(r)
	m.done = !more
	return err
}
