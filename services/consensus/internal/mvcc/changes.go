package mvcc

import (
	"context"
	"errors"
	"slices"

	quoratev1 "github.com/quoratedb/quorate/pkg/gen/quorate/v1"
)

// changedKeysMax is how many keys are named of what a revision has changed.
const changedKeysMax = 5

// Changes lists the revisions after the compacted one that have changed something below a prefix, the last first: how many keys, and which the first ones
// are. Of what a transaction has done to a key what is left of it counts.
func Changes(ctx context.Context, s *Store, req *quoratev1.ChangesRequest) (resp *quoratev1.ChangesResponse, err error) {
	v, err := s.View(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, v.Close()) }()
	w := changesWalk{
		v: v, span: prefixSpan(req.GetPrefix()), left: answerRoom{count: listed(req.GetLimit()), bytes: listedBytesMax},
		resp: &quoratev1.ChangesResponse{Revision: v.revision, CompactedRevision: v.floor},
	}
	next, more, err := v.walkBack(ctx, v.floor+1, place{req.GetBeforeRevision(), req.GetBeforeSub()}, w.visit)
	if err == nil {
		err = w.close(ctx)
	}
	w.resp.More, w.resp.NextBeforeRevision, w.resp.NextBeforeSub = more, next.revision, next.sub
	return w.resp, err
}

// changesWalk goes back through the history.
type changesWalk struct {
	v    *View
	span Span
	left answerRoom
	resp *quoratev1.ChangesResponse
	// open is the revision whose changes are being counted, nil for none.
	open *quoratev1.ChangedAt
}

func (w *changesWalk) visit(ctx context.Context, at place, c *change) (taken bool, err error) {
	if w.open != nil && w.open.Revision != at.revision {
		if err := w.close(ctx); err != nil {
			return false, err
		}
	}
	if !w.left.some() {
		return false, nil
	}
	if c.overwritten || c.tombstone && c.previous == 0 || !w.span.Contains(c.key) {
		return true, nil
	}
	if w.open == nil {
		w.open = &quoratev1.ChangedAt{Revision: at.revision}
	}
	switch {
	case c.tombstone:
		w.open.Deleted++
	case c.previous == 0 || c.recreated:
		w.open.Made++
	default:
		w.open.Changed++
	}
	// Backwards, the last ones are the first.
	var key []byte
	if n := len(w.open.Keys); n == changedKeysMax {
		key, w.open.Keys = w.open.Keys[n-1], w.open.Keys[:n-1]
	}
	w.open.Keys = slices.Insert(w.open.Keys, 0, append(key[:0], c.key...))
	return true, nil
}

// close lists what is open.
func (w *changesWalk) close(ctx context.Context) (err error) {
	if w.open == nil {
		return nil
	}
	bytes := 0
	for _, key := range w.open.Keys {
		bytes += len(key)
	}
	if w.open.TimeUnixNano, err = w.v.madeAt(w.open.Revision); err != nil {
		return err
	}
	w.resp.Changes, w.open = append(w.resp.Changes, w.open), nil
	return w.left.take(ctx, bytes)
}
