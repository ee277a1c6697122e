package mvcc

import (
	"context"
	"errors"

	"github.com/cockroachdb/pebble/v2"

	"github.com/quoratedb/quorate/services/consensus/internal/readturns"
)

// walkedChangesMax bounds the changes that one answer looks at.
const walkedChangesMax = 100_000

// place is where a change of a key is in the history.
type place struct{ revision, sub int64 }

// walkBack shows visit the changes of keys before a place (of none: all), back to those of revision since, the last first, until visit does not take one
// or enough have been looked at. It returns whether there may be more then, and before which place. visit must not keep the change.
func (v *View) walkBack(
	ctx context.Context, since int64, before place, visit func(context.Context, place, *change) (taken bool, err error),
) (next place, more bool, err error) {
	lower := appendHistoryKey(nil, since, 0)
	upper := appendHistoryKey(nil, v.revision+1, 0)
	if before.revision > 0 && before.revision <= v.revision {
		upper = appendHistoryKey(nil, before.revision, before.sub)
	}
	if string(lower) >= string(upper) {
		return place{}, false, nil
	}
	it, err := v.it.Clone(pebble.CloneOptions{IterOptions: &pebble.IterOptions{LowerBound: lower, UpperBound: upper}})
	if err != nil {
		return place{}, false, err
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	var c change
	read := readturns.Of(ctx)
	for looked, ok := 0, it.Last(); ok; ok, looked = it.Prev(), looked+1 {
		if looked == walkedChangesMax {
			return next, true, nil
		}
		if err := read.Row(ctx); err != nil {
			return place{}, false, err
		}
		var at place
		if at.revision, at.sub, err = splitHistoryKey(it.Key()); err != nil {
			return place{}, false, err
		}
		value, err := it.ValueAndErr()
		if err != nil {
			return place{}, false, err
		}
		if err := decodeChange(value, &c); err != nil {
			return place{}, false, err
		}
		taken := true
		if c.tree == nil {
			if taken, err = visit(ctx, at, &c); err != nil {
				return place{}, false, err
			}
		}
		if !taken {
			return next, true, nil
		}
		next = at
	}
	return place{}, false, it.Error()
}
