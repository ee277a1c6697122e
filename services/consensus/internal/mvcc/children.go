package mvcc

import (
	"bytes"
	"context"
	"errors"
	"slices"

	"github.com/quoratedb/quorate/pkg/budget"
	quoratev1 "github.com/quoratedb/quorate/pkg/gen/quorate/v1"
)

const (
	childrenDefault = 1000
	childrenMax     = 10_000
	// addedKeyBytes is about what a key that is held for the counts of an older revision takes beside its bytes.
	addedKeyBytes = 64
	// childBytes is about what a child of an answer takes beside its name.
	childBytes = 160
)

// Tests lower these.
var (
	// measuredKeysMax bounds the keys that are read, and the changes that are looked at, for the counts and sizes of one answer.
	measuredKeysMax = 100_000
	// namesBytesMax is where a list of children ends, and addedBytesMax bounds the keys that are held for the counts of an older revision.
	namesBytesMax, addedBytesMax = 4 << 20, 8 << 20
)

// Children lists what is directly below a prefix. All keys that share a name up to the next delimiter are one child, and the
// scan goes on behind them with one seek, so a call costs what it answers. Its refusals are Range's.
func Children(ctx context.Context, s *Store, req *quoratev1.ChildrenRequest) (resp *quoratev1.ChildrenResponse, err error) {
	v, err := s.View(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, v.Close()) }()
	if err := CheckRevision(v, req.GetRevision()); err != nil {
		return nil, err
	}
	l := newLister(v, req)
	if err := l.list(ctx); err != nil {
		return nil, err
	}
	resp = &quoratev1.ChildrenResponse{Children: l.children, More: l.more, Revision: l.revision}
	if req.GetCount() || req.GetSize() {
		err = l.measure(ctx)
	}
	return resp, err
}

// lister finds children.
type lister struct {
	v         *View
	req       *quoratev1.ChildrenRequest
	revision  int64
	limit     int
	children  []*quoratev1.Child
	more      bool
	delimiter []byte
	// named is the bytes of their names.
	named int
	// grown is what was found since memory was last asked for.
	grown int
}

func newLister(v *View, req *quoratev1.ChildrenRequest) *lister {
	l := &lister{v: v, req: req, revision: req.GetRevision(), limit: int(min(req.GetLimit(), childrenMax)), delimiter: req.GetDelimiter()}
	if l.revision <= 0 {
		l.revision = v.revision
	}
	if l.limit <= 0 {
		l.limit = childrenDefault
	}
	return l
}

// name returns the child that a key belongs to, and whether it is folded.
func (l *lister) name(key []byte) (name []byte, folded bool) {
	if len(l.delimiter) == 0 {
		return key, false
	}
	prefix := len(l.req.GetPrefix())
	at := bytes.Index(key[prefix:], l.delimiter)
	if at < 0 {
		return key, false
	}
	return key[:prefix+at+len(l.delimiter)], true
}

// list fills children, and sets more.
func (l *lister) list(ctx context.Context) error {
	rest := prefixSpan(l.req.GetPrefix())
	// A name that is not below the prefix can be that of no child.
	if after := l.req.GetAfter(); len(after) > 0 && bytes.HasPrefix(after, l.req.GetPrefix()) {
		if ends := l.leave(&rest, after); ends {
			return nil
		}
	}
	for {
		var last []byte
		err := l.v.Scan(ctx, rest, l.revision, func(r *Row) (bool, error) {
			if len(l.children) == l.limit || l.named >= namesBytesMax {
				l.more = true
				return false, nil
			}
			child, err := l.take(ctx, r)
			if child.GetFolded() {
				last = child.GetName()
			}
			return last == nil, err
		})
		if err != nil || last == nil {
			return err
		}
		if ends := l.leave(&rest, last); ends {
			return nil
		}
	}
}

// leave has the rest of the span begin behind a child. It tells whether nothing can be left.
func (l *lister) leave(rest *Span, name []byte) (ends bool) {
	_, folded := l.name(name)
	if !folded {
		rest.low = append(slices.Clone(name), 0)
		return false
	}
	rest.low = prefixEnd(name)
	return len(rest.low) == 0
}

// take adds the child that a row belongs to.
func (l *lister) take(ctx context.Context, r *Row) (*quoratev1.Child, error) {
	name, folded := l.name(r.Key)
	child := &quoratev1.Child{Name: slices.Clone(name), Folded: folded}
	if !folded {
		child.CreateRevision, child.ModRevision, child.Version, child.Lease = r.Create, r.Revision, r.Version, r.Lease
		child.Keys, child.Bytes = 1, int64(len(r.Key)+len(r.Value))
	}
	l.children = append(l.children, child)
	l.named += len(name)
	if l.grown += childBytes + len(name); l.grown < budget.AnswerStep {
		return child, nil
	}
	grown := l.grown
	l.grown = 0
	return child, Grow(ctx, int64(grown))
}

// measure counts what is below the folded children. Counts come from the index where they can, sizes from the keys themselves. What is not
// looked at any more, because enough was, is told to be that much at least.
func (l *lister) measure(ctx context.Context) error {
	left := measuredKeysMax
	var since *addedKeys
	if l.req.GetCount() && l.revision < l.v.revision {
		var err error
		if since, err = l.v.added(ctx, prefixSpan(l.req.GetPrefix()), l.revision, &left); err != nil {
			return err
		}
	}
	for _, child := range l.children {
		if !child.GetFolded() {
			continue
		}
		below := prefixSpan(child.GetName())
		byIndex := l.req.GetCount() && (l.revision == l.v.revision || since != nil)
		if byIndex {
			n, err := l.v.Count(ctx, below, NewestRevision)
			if err != nil {
				return err
			}
			child.Keys = n - since.within(below)
		}
		if byIndex && !l.req.GetSize() {
			continue
		}
		keys, size, all, err := l.readBelow(ctx, below, &left)
		if err != nil {
			return err
		}
		if l.req.GetSize() {
			child.Bytes, child.BytesAtLeast = size, !all
		}
		if !byIndex && l.req.GetCount() {
			child.Keys, child.KeysAtLeast = keys, !all
		}
	}
	return nil
}

// readBelow adds up keys, until nothing is left of how many may be read.
func (l *lister) readBelow(ctx context.Context, below Span, left *int) (keys, size int64, all bool, err error) {
	all = true
	err = l.v.Scan(ctx, below, l.revision, func(r *Row) (bool, error) {
		if *left == 0 {
			all = false
			return false, nil
		}
		*left--
		keys++
		size += int64(len(r.Key) + len(r.Value))
		return true, nil
	})
	return keys, size, all, err
}

// addedKeys are keys that were made, or deleted, after a revision. nil is none.
type addedKeys struct {
	keys [][]byte
	// sums has, for each key, how many more there are with all keys before it.
	sums []int64
}

// within returns how many more keys of a span there are now.
func (a *addedKeys) within(s Span) int64 {
	if a == nil {
		return 0
	}
	from, _ := slices.BinarySearchFunc(a.keys, s.low, bytes.Compare)
	to := len(a.keys)
	if !s.unbounded {
		to, _ = slices.BinarySearchFunc(a.keys, s.high, bytes.Compare)
	}
	if from >= to {
		return 0
	}
	return a.sums[to] - a.sums[from]
}

// added finds what was made and deleted after a revision in one walk over the history since. It gives up, and returns nil, where that needs
// more than is left.
func (v *View) added(ctx context.Context, s Span, revision int64, left *int) (*addedKeys, error) {
	type one struct {
		key   []byte
		delta int64
	}
	var all []one
	gaveUp, held := false, 0
	err := v.changesFrom(ctx, revision+1, 0, v.revision, func(_, _ int64, c *change) error {
		if *left == 0 || held >= addedBytesMax {
			gaveUp = true
			return errEnough
		}
		*left--
		before := len(all)
		switch {
		case c.tree != nil || c.overwritten || !s.Contains(c.key):
		case c.tombstone && c.previous != 0:
			all = append(all, one{slices.Clone(c.key), -1})
		case !c.tombstone && c.previous == 0:
			all = append(all, one{slices.Clone(c.key), 1})
		}
		if len(all) > before {
			held += addedKeyBytes + len(c.key)
		}
		return nil
	})
	if err != nil || gaveUp {
		*left = measuredKeysMax // what was looked at in vain is less than what it would have saved
		return nil, err
	}
	slices.SortFunc(all, func(a, b one) int { return bytes.Compare(a.key, b.key) })
	found := &addedKeys{sums: make([]int64, 1, len(all)+1)}
	for i, o := range all {
		found.keys = append(found.keys, o.key)
		found.sums = append(found.sums, found.sums[i]+o.delta)
	}
	return found, nil
}

// prefixSpan is all keys that begin with a prefix.
func prefixSpan(prefix []byte) Span {
	end := prefixEnd(prefix)
	return Span{low: prefix, high: end, unbounded: len(end) == 0}
}

// prefixEnd is the first key behind all that begin with prefix; empty if there is none.
func prefixEnd(prefix []byte) []byte {
	for i := len(prefix) - 1; i >= 0; i-- {
		if prefix[i] != 0xff {
			end := slices.Clone(prefix[:i+1])
			end[i]++
			return end
		}
	}
	return nil
}
