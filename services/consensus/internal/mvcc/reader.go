package mvcc

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/cockroachkvs"

	"github.com/quoratedb/quorate/pkg/budget"
	"github.com/quoratedb/quorate/pkg/errdefs"
	"github.com/quoratedb/quorate/services/consensus/internal/mvcc/count"
	"github.com/quoratedb/quorate/services/consensus/internal/readturns"
)

// Reader is a state to evaluate requests on: what is committed, or that with the changes of a batch in front.
type Reader interface {
	// Bounds returns the revisions that may be asked for.
	Bounds() (compacted, newest int64)
	// Get reads the version of key that is newest at the revision into r, and tells whether the key exists there. What r
	// refers to is valid until the next call.
	Get(key []byte, revision int64, r *Row) (bool, error)
	// Scan calls fn with the span's keys that exist at the revision, in order, until fn wants no more. The row is fn's
	// until it returns.
	Scan(ctx context.Context, s Span, revision int64, fn func(*Row) (more bool, err error)) error
	// Count returns how many keys of the span exist at the revision.
	Count(ctx context.Context, s Span, revision int64) (int64, error)
	// CountedFrom returns the highest place above after, and not above upTo, from which on Count need not look at keys; nil if there
	// is none.
	CountedFrom(after, upTo []byte) []byte
}

// NewestRevision asks a reader for the newest version, whatever its revision.
const NewestRevision = math.MaxInt64

// scanRowsPerCheck is how many rows a scan reads between two looks at its context.
const scanRowsPerCheck = readturns.RowsAStretch

// errEnough ends a walk through history before its end.
var errEnough = errors.New("enough")

// attentive is fn for a walk over rows that ends with ctx, and lets others have their turn.
func attentive(ctx context.Context, fn func(key, value []byte) error) func(key, value []byte) error {
	read := readturns.Of(ctx)
	return func(key, value []byte) error {
		if err := read.Row(ctx); err != nil {
			return err
		}
		return fn(key, value)
	}
}

// Grow is budget.Grow for who reads by turns: others have theirs meanwhile.
func Grow(ctx context.Context, bytes int64) error {
	readturns.Of(ctx).Rest()
	return budget.Grow(ctx, bytes)
}

// CheckRevision tells whether a revision that a request names can be read; 0 and less stand for the newest.
func CheckRevision(rd Reader, revision int64) error {
	if revision <= 0 {
		return nil
	}
	compacted, newest := rd.Bounds()
	switch {
	case revision > newest:
		return fmt.Errorf("revision %d, newest is %d: %w", revision, newest, errdefs.ErrFutureRevision)
	case revision < compacted:
		return fmt.Errorf("revision %d, compacted up to %d: %w", revision, compacted, errdefs.ErrCompacted)
	}
	return nil
}

// View reads what was committed when it was opened. It is for one goroutine.
type View struct {
	s *Store
	// it has no bounds and is for seeks by prefix; scans go over clones of it, which see the same.
	it *pebble.Iterator
	// state was the newest when the view was opened: there may be later rows to step over.
	*state
	// floor is the oldest revision that is sure to be whole in what it sees.
	floor int64
	key   []byte
}

func (s *Store) View(ctx context.Context) (*View, error) {
	for {
		st := s.state.Load()
		it, err := s.db.NewIterWithContext(ctx, &pebble.IterOptions{})
		if err != nil {
			return nil, err
		}
		// Rows are removed after the compacted revision that allows it is published, so whatever is missing from it is
		// below the one that is read now.
		floor := s.state.Load().compacted
		if floor <= st.revision {
			return &View{s: s, it: it, state: st, floor: floor}, nil
		}
		if err := it.Close(); err != nil {
			return nil, err
		}
	}
}

func (v *View) Close() error {
	v.s.cache.note(v.it.Stats())
	return v.it.Close()
}

func (v *View) Bounds() (compacted, newest int64) { return v.floor, v.revision }

func (v *View) Get(key []byte, revision int64, r *Row) (bool, error) {
	v.key = appendVersionKey(v.key[:0], key, min(revision, v.revision))
	return seekVersion(v.it, v.key, key, r)
}

func (v *View) Scan(ctx context.Context, s Span, revision int64, fn func(*Row) (bool, error)) (err error) {
	if s.single {
		var r Row
		live, err := v.Get(s.low, revision, &r)
		if err != nil || !live {
			return err
		}
		_, err = fn(&r)
		return err
	}
	var counts *count.Index
	if revision >= v.revision {
		counts = v.counts
	}
	it, err := cloneWithin(v.it, s)
	if err != nil || it == nil {
		return err
	}
	defer func() {
		v.s.cache.note(it.Stats())
		err = errors.Join(err, it.Close())
	}()
	return walkVersions(ctx, it, it.First(), nil, min(revision, v.revision), counts, fn)
}

func countByScan(ctx context.Context, rd Reader, s Span, revision int64) (n int64, err error) {
	err = rd.Scan(ctx, s, revision, func(*Row) (bool, error) {
		n++
		return true, nil
	})
	return n, err
}

// seekVersion reads the version that target, a version key of key's, finds: the newest one that is no newer. It tells
// whether there is one that is not a tombstone. The row aliases key and the iterator.
func seekVersion(it *pebble.Iterator, target, key []byte, r *Row) (bool, error) {
	if !it.SeekPrefixGE(target) {
		return false, it.Error()
	}
	if err := readRow(it, r); err != nil {
		return false, err
	}
	r.Key = key
	return !r.Tombstone, nil
}

// readRow reads the version that the iterator stands on. The row aliases the iterator.
func readRow(it *pebble.Iterator, r *Row) error {
	key, revision, err := splitVersionKey(it.Key())
	if err != nil {
		return err
	}
	value, err := it.ValueAndErr()
	if err != nil {
		return err
	}
	r.Key, r.Revision = key, revision
	return decodeRecord(value, &r.Record)
}

// stepsBeforeSeek is how many versions that are too new a scan steps over before it seeks past them.
const stepsBeforeSeek = 4

// deletedBeforeSeek is after how many deleted keys in a row a scan looks whether the stretch is empty.
const deletedBeforeSeek = 64

// cloneWithin returns an iterator over the span that sees what base does, nil if the span is empty.
func cloneWithin(base *pebble.Iterator, s Span) (*pebble.Iterator, error) {
	if s.empty() {
		return nil, nil
	}
	lower, upper := s.bounds()
	return base.Clone(pebble.CloneOptions{IterOptions: &pebble.IterOptions{LowerBound: lower, UpperBound: upper}})
}

// scanVersions calls fn with the span's keys that exist at the revision, as base sees them.
func scanVersions(ctx context.Context, base *pebble.Iterator, s Span, revision int64, counts *count.Index, fn func(*Row) (bool, error)) (err error) {
	it, err := cloneWithin(base, s)
	if err != nil || it == nil {
		return err
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	return walkVersions(ctx, it, it.First(), nil, revision, counts, fn)
}

// walkVersions calls fn with the keys from where the iterator stands, if ok, to upper, nil for its end, that exist at the revision. Where counts is
// not nil it is of that revision: stretches that were deleted and not compacted yet are passed over by it. What was deleted lately may be a
// million keys, and the state machine must not walk over them again and again.
func walkVersions(ctx context.Context, it *pebble.Iterator, ok bool, upper []byte, revision int64, counts *count.Index, fn func(*Row) (bool, error)) error {
	var (
		r       Row
		target  []byte
		tooNew  int
		deleted int
		read    = readturns.Of(ctx)
	)
	for ok && (upper == nil || cockroachkvs.Compare(it.Key(), upper) < 0) {
		if err := read.Row(ctx); err != nil {
			return err
		}
		key, rev, err := splitVersionKey(it.Key())
		if err != nil {
			return err
		}
		if rev > revision {
			if tooNew++; tooNew < stepsBeforeSeek {
				ok = it.Next()
				continue
			}
			tooNew = 0
			target = appendVersionKey(target[:0], key, revision)
			ok = it.SeekGE(target)
			continue
		}
		tooNew = 0
		if err := readRow(it, &r); err != nil {
			return err
		}
		if r.Tombstone {
			deleted++
		} else {
			deleted = 0
			if more, err := fn(&r); err != nil || !more {
				return err
			}
		}
		if deleted < deletedBeforeSeek || counts == nil {
			ok = it.NextPrefix()
			continue
		}
		deleted = 0
		low, some := counts.Populated(string(r.Key))
		switch {
		case !some:
			return nil
		case low == string(r.Key):
			ok = it.NextPrefix()
		default:
			target = appendVersionPrefix(target[:0], []byte(low))
			ok = it.SeekGE(target)
		}
	}
	return it.Error()
}
