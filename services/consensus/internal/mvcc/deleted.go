package mvcc

import (
	"context"
	"errors"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	quoratev1 "github.com/quoratedb/quorate/pkg/gen/quorate/v1"
)

// deletedChangesMax bounds the changes that one answer looks at.
const deletedChangesMax = 100_000

// Deleted lists the keys below a prefix that were deleted after the compacted revision and are not there again, the last deletion first, with what
// they held before.
func Deleted(ctx context.Context, s *Store, req *quoratev1.DeletedRequest) (resp *quoratev1.DeletedResponse, err error) {
	v, err := s.View(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, v.Close()) }()
	resp = &quoratev1.DeletedResponse{Revision: v.revision, CompactedRevision: v.floor}
	w := deletedWalk{
		v: v, span: prefixSpan(req.GetPrefix()), withValues: req.GetWithValues(), resp: resp,
		left: answerRoom{count: listed(req.GetLimit()), bytes: listedBytesMax},
	}
	// What the compacted revision itself has deleted held is compacted.
	lower := appendHistoryKey(nil, max(req.GetSinceRevision(), v.floor+1), 0)
	upper := appendHistoryKey(nil, v.revision+1, 0)
	if before := req.GetBeforeRevision(); before > 0 && before <= v.revision {
		upper = appendHistoryKey(nil, before, req.GetBeforeSub())
	}
	it, err := v.it.Clone(pebble.CloneOptions{IterOptions: &pebble.IterOptions{LowerBound: lower, UpperBound: upper}})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	if string(lower) >= string(upper) {
		return resp, nil
	}
	return resp, w.run(ctx, it)
}

// deletedWalk goes back through the history.
type deletedWalk struct {
	v          *View
	span       Span
	withValues bool
	left       answerRoom
	resp       *quoratev1.DeletedResponse
	// at is where it is.
	revision, sub int64
}

func (w *deletedWalk) run(ctx context.Context, it *pebble.Iterator) error {
	var c change
	for looked, ok := 0, it.Last(); ok; ok, looked = it.Prev(), looked+1 {
		if looked == deletedChangesMax || !w.left.some() {
			w.resp.More, w.resp.NextBeforeRevision, w.resp.NextBeforeSub = true, w.revision, w.sub
			return nil
		}
		if looked%scanRowsPerCheck == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		var err error
		if w.revision, w.sub, err = splitHistoryKey(it.Key()); err != nil {
			return err
		}
		value, err := it.ValueAndErr()
		if err != nil {
			return err
		}
		if err := decodeChange(value, &c); err != nil {
			return err
		}
		if c.tree != nil || !c.tombstone || c.overwritten || c.previous == 0 || !w.span.Contains(c.key) {
			continue
		}
		if err := w.take(ctx, &c); err != nil {
			return err
		}
	}
	return it.Error()
}

// take lists a deletion if nothing has happened to its key since.
func (w *deletedWalk) take(ctx context.Context, c *change) error {
	var r Row
	live, err := w.v.Get(c.key, NewestRevision, &r)
	if err != nil || live || r.Revision != w.revision {
		return err
	}
	live, err = w.v.Get(c.key, c.previous, &r)
	if err != nil || !live {
		return err
	}
	last, err := w.v.version(&r, w.withValues)
	if err != nil {
		return err
	}
	key := &quoratev1.DeletedKey{Key: slices.Clone(c.key), Revision: w.revision, Last: last}
	if key.TimeUnixNano, err = w.v.madeAt(w.revision); err != nil {
		return err
	}
	w.resp.Keys = append(w.resp.Keys, key)
	return w.left.take(ctx, len(key.Key)+len(last.GetValue()))
}
