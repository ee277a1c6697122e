package mvcc

import (
	"context"
	"errors"
	"slices"

	quoratev1 "github.com/quoratedb/quorate/pkg/gen/quorate/v1"
)

// Deleted lists the keys below a prefix that were deleted after the compacted revision and are not there again, the last deletion first, with what
// they held before.
func Deleted(ctx context.Context, s *Store, req *quoratev1.DeletedRequest) (resp *quoratev1.DeletedResponse, err error) {
	v, err := s.View(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, v.Close()) }()
	w := deletedWalk{
		v: v, span: prefixSpan(req.GetPrefix()), withValues: req.GetWithValues(),
		left: answerRoom{count: listed(req.GetLimit()), bytes: listedBytesMax},
		resp: &quoratev1.DeletedResponse{Revision: v.revision, CompactedRevision: v.floor},
	}
	// What the compacted revision itself has deleted held is compacted.
	next, more, err := v.walkBack(ctx, max(req.GetSinceRevision(), v.floor+1), place{req.GetBeforeRevision(), req.GetBeforeSub()}, w.visit)
	w.resp.More, w.resp.NextBeforeRevision, w.resp.NextBeforeSub = more, next.revision, next.sub
	return w.resp, err
}

// deletedWalk goes back through the history.
type deletedWalk struct {
	v          *View
	span       Span
	withValues bool
	left       answerRoom
	resp       *quoratev1.DeletedResponse
}

func (w *deletedWalk) visit(ctx context.Context, at place, c *change) (taken bool, err error) {
	if !w.left.some() {
		return false, nil
	}
	if !c.tombstone || c.overwritten || c.previous == 0 || !w.span.Contains(c.key) {
		return true, nil
	}
	return true, w.take(ctx, at.revision, c)
}

// take lists a deletion if nothing has happened to its key since.
func (w *deletedWalk) take(ctx context.Context, revision int64, c *change) error {
	var r Row
	live, err := w.v.Get(c.key, NewestRevision, &r)
	if err != nil || live || r.Revision != revision {
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
	key := &quoratev1.DeletedKey{Key: slices.Clone(c.key), Revision: revision, Last: last}
	if key.TimeUnixNano, err = w.v.madeAt(revision); err != nil {
		return err
	}
	w.resp.Keys = append(w.resp.Keys, key)
	return w.left.take(ctx, len(key.Key)+len(last.GetValue()))
}
