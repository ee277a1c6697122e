package mvcc

import (
	"bytes"
	"context"
	"errors"

	"github.com/cockroachdb/pebble/v2"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/consensus/internal/readturns"
)

// keysPerStepBack is about how many keys are read in the time that one step backwards takes: it needs two seeks, since the
// versions of a key begin with the newest.
const keysPerStepBack = 8

// lastKeys answers a request for the last few of many keys, from the end. It returns nil if that is not what q asks for.
func (v *View) lastKeys(ctx context.Context, q *query) (*consensusv1.RangeResult, error) {
	limit := q.op.GetLimit()
	if !q.byKey() || !q.descending() || q.filters() || limit <= 0 || q.span.single {
		return nil, nil
	}
	n, err := v.Count(ctx, q.span, q.revision)
	if err != nil || limit > n/keysPerStepBack {
		return nil, err
	}
	res := &consensusv1.RangeResult{Count: n, More: true}
	var full error
	err = v.scanBack(ctx, q.span, q.revision, func(r *Row) bool {
		res.Kvs = append(res.Kvs, q.slab.toKeyValue(r, q.values))
		full = q.account(r)
		return full == nil && int64(len(res.Kvs)) < limit
	})
	return res, errors.Join(err, full)
}

// scanBack calls fn with the span's keys that exist at the revision, the last one first, until fn wants no more.
func (v *View) scanBack(ctx context.Context, s Span, revision int64, fn func(*Row) (more bool)) (err error) {
	lower, upper := s.bounds()
	it, err := v.it.Clone(pebble.CloneOptions{IterOptions: &pebble.IterOptions{LowerBound: lower, UpperBound: upper}})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	var (
		r           Row
		key, target []byte
		read        = readturns.Of(ctx)
	)
	for ok := it.Last(); ok; ok = it.SeekLT(target) {
		if err := read.Row(ctx); err != nil {
			return err
		}
		found, _, err := splitVersionKey(it.Key())
		if err != nil {
			return err
		}
		key = append(key[:0], found...)
		target = appendVersionKey(target[:0], key, min(revision, v.revision))
		if it.SeekGE(target) {
			if err := readRow(it, &r); err != nil {
				return err
			}
			if bytes.Equal(r.Key, key) && !r.Tombstone && !fn(&r) {
				return nil
			}
		}
		target = appendVersionPrefix(target[:0], key)
	}
	return it.Error()
}
