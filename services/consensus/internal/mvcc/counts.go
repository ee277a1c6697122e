package mvcc

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/quoratedb/quorate/services/consensus/internal/mvcc/count"
)

// Counts come from an index of buckets that is part of the state: a count is that of the whole buckets in a range, and a
// scan of the two at its ends. Its buckets are stored in the same batch as the keys that they count, so that a restart
// reads them, and not the keys. At an older revision, the count is the newest one less what the history since then added.

func appendCountKey(dst []byte, low string) []byte {
	dst = append(dst, byte(spaceCount))
	dst = append(dst, low...)
	return append(dst, 0)
}

func splitCountKey(k []byte) (low string, err error) {
	if len(k) < 2 || k[0] != byte(spaceCount) || k[len(k)-1] != 0 {
		return "", fmt.Errorf("bucket %x: %w", k, errBadKey)
	}
	return string(k[1 : len(k)-1]), nil
}

func loadCounts(s *Store) (*count.Index, error) {
	var buckets []count.Bucket
	lower, upper := spaceCount.bounds()
	// The first bucket's key is the lowest of the space.
	err := s.each(lower, upper, func(k, v []byte) error {
		low, err := splitCountKey(k)
		if err != nil {
			return err
		}
		keys, err := decodeCount(v)
		buckets = append(buckets, count.Bucket{Low: low, Keys: keys})
		return err
	})
	return count.New(buckets), err
}

func decodeCount(b []byte) (int64, error) {
	d := decoder{b: b}
	keys := d.int64()
	if d.failed || len(d.b) != 0 {
		return 0, fmt.Errorf("bucket record %.16x: %w", b, errBadRecord)
	}
	return keys, nil
}

// updateCounts brings the index up to the batch, and adds what changed in it to the batch.
func updateCounts(b *Batch) error {
	b.changes = b.changes[:0]
	b.overlay.each(func(k *overlayKey) {
		switch was, is := k.base != 0, !k.newest().Tombstone; {
		case is && !was:
			b.changes = append(b.changes, count.Change{Key: stringOf(k.key), Delta: 1})
		case was && !is:
			b.changes = append(b.changes, count.Change{Key: stringOf(k.key), Delta: -1})
		}
	})
	b.overlay.gone.each(func(k *goneKey) { b.changes = append(b.changes, count.Change{Key: stringOf(k.key), Delta: -1}) })
	if len(b.changes) == 0 {
		return nil
	}
	u, err := b.now.counts.Update(b.changes, func(low, high string, unbounded bool) ([]count.Bucket, error) {
		return splitBucket(b, low, high, unbounded)
	})
	clear(b.changes)
	if cap(b.changes) > changesKeptMax {
		b.changes = nil
	}
	if err != nil {
		return fmt.Errorf("count keys: %w", err)
	}
	for _, low := range u.Removed {
		b.w.delete(appendCountKey(b.w.keyBuf[:0], low))
	}
	for _, bucket := range u.Changed {
		b.w.valueBuf = binary.AppendUvarint(b.w.valueBuf[:0], uint64(bucket.Keys))
		b.w.set(appendCountKey(b.w.keyBuf[:0], bucket.Low), b.w.valueBuf)
	}
	b.now.counts = u.Index
	return nil
}

// changesKeptMax is how many changes of counts memory is kept for: more than a usual batch has.
const changesKeptMax = 1 << 16

func splitBucket(b *Batch, low, high string, unbounded bool) ([]count.Bucket, error) {
	c := count.NewCutter(low)
	s := Span{low: []byte(low), high: []byte(high), unbounded: unbounded}
	err := b.Scan(context.Background(), s, NewestRevision, func(r *Row) (bool, error) {
		c.Add(r.Key)
		return true, nil
	})
	return c.Buckets(), err
}

func (v *View) Count(ctx context.Context, s Span, revision int64) (int64, error) {
	if s.single {
		return countByScan(ctx, v, s, revision)
	}
	low := string(s.low)
	if low == "\x00" {
		// This is how all keys are asked for. No key is empty, so it is where the first bucket begins.
		low = ""
	}
	n, edges := v.counts.Between(low, string(s.high), s.unbounded)
	most := n
	for _, e := range edges {
		most += e.Keys
	}
	if revision < v.revision {
		since, known, err := v.addedSince(ctx, s, revision, most)
		if err != nil {
			return 0, err
		}
		if !known {
			return countByScan(ctx, v, s, revision)
		}
		n -= since
	}
	for _, e := range edges {
		in, err := v.countEdge(ctx, &e)
		if err != nil {
			return 0, err
		}
		n += in
	}
	return n, nil
}

// countEdge counts the newest keys of a part of a bucket: those beside it, if they are few, as where a list ends behind the last key.
func (v *View) countEdge(ctx context.Context, e *count.Edge) (int64, error) {
	if e.Rest != nil {
		rest := Span{low: []byte(e.Rest.Low), high: []byte(e.Rest.High), unbounded: e.Rest.Unbounded}
		beside, few := int64(0), true
		err := v.Scan(ctx, rest, v.revision, func(*Row) (bool, error) {
			beside++
			few = beside <= e.Keys/2
			return few, nil
		})
		if err != nil || few {
			return e.Keys - beside, err
		}
	}
	return countByScan(ctx, v, Span{low: []byte(e.Low), high: []byte(e.High), unbounded: e.Unbounded}, v.revision)
}

// CountedFrom implements Reader.
func (v *View) CountedFrom(after, upTo []byte) []byte { return countedFrom(v.counts, after, upTo) }

// CountedFrom implements Reader. The batch's own changes are counted from anywhere.
func (b *Batch) CountedFrom(after, upTo []byte) []byte {
	return countedFrom(b.begun.counts, after, upTo)
}

func countedFrom(counts *count.Index, after, upTo []byte) []byte {
	if low, some := counts.Within(string(after), string(upTo)); some {
		return []byte(low)
	}
	return nil
}

// addedSince returns how many more of the span's keys exist now than at the revision. It gives up, and says so, after
// looking at most changes: then it is quicker to look at the keys.
func (v *View) addedSince(ctx context.Context, s Span, revision, most int64) (n int64, known bool, err error) {
	if v.revision-revision > most {
		return 0, false, nil
	}
	known = true
	err = v.changesFrom(ctx, revision+1, 0, v.revision, func(_, _ int64, c *change) error {
		if most--; most < 0 {
			known = false
			return errEnough
		}
		switch {
		case c.tree != nil || c.overwritten || !s.Contains(c.key):
		case c.tombstone && c.previous != 0:
			n--
		case !c.tombstone && c.previous == 0:
			n++
		}
		return nil
	})
	return n, known, errors.Join(err, ctx.Err())
}

func (b *Batch) Count(ctx context.Context, s Span, revision int64) (int64, error) {
	if s.single {
		return countByScan(ctx, b, s, revision)
	}
	base, err := seekBase(b)
	if err != nil {
		return 0, err
	}
	n, err := base.Count(ctx, s, min(revision, b.begun.revision))
	if err != nil {
		return 0, err
	}
	n -= b.overlay.gone.count(s, revision)
	for _, k := range b.overlay.within(s) {
		if v := k.at(revision); v != nil {
			if k.base != 0 {
				n--
			}
			if !v.Tombstone {
				n++
			}
		}
	}
	return n, nil
}
