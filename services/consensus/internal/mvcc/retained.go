package mvcc

import (
	"context"
	"errors"
	"hash/crc32"

	"github.com/cockroachdb/pebble/v2"
)

// retained calls fn with every version up to the revision that the compacted revision leaves: all newer ones, and of the
// older ones what was current then. A tombstone that is older than the compacted revision is not retained. What is hidden
// but not removed yet is passed over, so that members agree however far they are with that.
//
// Versions come by key, the newest first. The row is fn's until it returns.
func (v *View) retained(ctx context.Context, revision int64, fn func(*Row) error) error {
	return v.retainedAbove(ctx, v.floor, revision, fn)
}

// retainedAbove is retained as if floor were the compacted revision.
func (v *View) retainedAbove(ctx context.Context, floor, revision int64, fn func(*Row) error) error {
	lower, upper := spaceVersion.bounds()
	it, err := v.it.Clone(pebble.CloneOptions{IterOptions: &pebble.IterOptions{LowerBound: lower, UpperBound: upper}})
	if err != nil {
		return err
	}
	keep := retention{floor: floor, revision: revision}
	var r Row
	return eachRow(it, attentive(ctx, func(_, _ []byte) error {
		if err := readRow(it, &r); err != nil || !keep.keeps(&r) {
			return err
		}
		return fn(&r)
	}))
}

// retention says of versions, which come by key and the newest of a key first, which of those up to a revision a compacted revision leaves.
type retention struct {
	floor, revision int64
	settled         []byte // the key whose version at the compacted revision has been seen
}

func (k *retention) keeps(r *Row) bool {
	switch {
	case r.Revision > k.revision:
		return false
	case r.Revision > k.floor:
		return true
	case k.settled != nil && string(k.settled) == string(r.Key):
		return false
	}
	k.settled = append(k.settled[:0], r.Key...)
	return !r.Tombstone || r.Revision >= k.floor
}

// HashKV hashes what was current at a revision, 0 for the newest: each key that was alive then, with its whole record.
// It returns with the hash the compacted and the hashed revision. Members that are equal have equal hashes at every
// revision that both can read, whatever each has compacted: a compaction changes no hash, as etcd's does not while it
// remembers the one it made before. Its refusals are Range's, and it ends with ctx.
func (s *Store) HashKV(ctx context.Context, revision int64) (hash uint32, compacted, hashed int64, err error) {
	v, err := s.View(ctx)
	if err != nil {
		return 0, 0, 0, err
	}
	defer func() { err = errors.Join(err, v.Close()) }()
	if err := CheckRevision(v, revision); err != nil {
		return 0, 0, 0, err
	}
	if revision <= 0 {
		revision = v.revision
	}
	var buf []byte
	err = v.retainedAbove(ctx, revision, revision, func(r *Row) error {
		if r.Tombstone {
			return nil
		}
		buf = appendVersionKey(buf[:0], r.Key, r.Revision)
		buf = appendRecord(buf, &r.Record)
		hash = crc32.Update(hash, castagnoli, buf)
		return nil
	})
	return hash, v.floor, revision, err
}
