package mvcc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/cespare/xxhash/v2"
	"github.com/cockroachdb/pebble/v2"
)

// historyShown is how many differences between history and keys VerifyHistory names.
const historyShown = 20

// VerifyHistory reads every version and all of the history of a store, as of one moment, and returns ErrDamaged, with the keys and revisions, unless each says of
// the other what it should: every version above the compacted revision is what a revision wrote, what it replaced is what stands before it, and each
// version goes on from the one before. So it finds what Verify does not see, which looks at what is current. pace is as Verify's.
func VerifyHistory(ctx context.Context, s *Store, pace func(ctx context.Context, read int) error) (err error) {
	snapshot := s.db.NewSnapshot()
	defer func() { err = errors.Join(err, snapshot.Close()) }()
	v := &historyVerification{verification: verification{ctx: ctx, snapshot: snapshot, pace: pace}}
	if err := v.readPosition(); err != nil {
		return err
	}
	err = v.all(spaceVersion, v.takeVersion)
	if err == nil {
		err = v.endKey()
	}
	if err == nil {
		err = v.all(spaceHistory, v.takeChange)
	}
	switch {
	case errors.Is(err, errBadRecord), errors.Is(err, errBadKey):
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	case err != nil:
		return err
	case v.versions != v.changes || len(v.broken) > 0:
		return v.explain()
	}
	return nil
}

// historyVerification is one run of VerifyHistory.
type historyVerification struct {
	verification
	// versions is the sum of what versions say that revisions did, and changes that of what the history says.
	versions, changes uint64
	// newer is the version that was read last, whose older one comes next if there is one.
	newer    Row
	hasNewer bool
	broken   []string
}

// all calls take with all rows of a space.
func (v *historyVerification) all(of space, take func(k, b []byte) error) error {
	for row, err := range v.rows(of) {
		if err == nil {
			err = take(row.k, row.v)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// pair is a row as it is stored, valid until the next one is read.
type pair struct{ k, v []byte }

// rows are all rows of a space. It begins with a new iterator after each chunk, as scan does.
func (v *historyVerification) rows(of space) iter.Seq2[pair, error] {
	return func(yield func(pair, error) bool) {
		lower, upper := of.bounds()
		for lower != nil {
			it, err := v.snapshot.NewIterWithContext(v.ctx, &pebble.IterOptions{LowerBound: lower, UpperBound: upper})
			if err != nil {
				yield(pair{}, err)
				return
			}
			lower = nil
			for ok := it.First(); ok; ok = it.Next() {
				if v.readNow >= verifyChunkBytes {
					lower = bytes.Clone(it.Key())
					break
				}
				b, err := it.ValueAndErr()
				v.readNow += len(it.Key()) + len(b)
				if !yield(pair{it.Key(), b}, err) || err != nil {
					_ = it.Close()
					return
				}
			}
			err = errors.Join(it.Error(), it.Close())
			if lower != nil && err == nil {
				err = v.pace(v.ctx, v.readNow)
				v.readNow = 0
			}
			if err != nil {
				yield(pair{}, err)
				return
			}
		}
	}
}

func hashDone(key []byte, revision, sub int64, tombstone bool, previous int64) uint64 {
	h := fold(fold(fold(fold(seedHistory, xxhash.Sum64(key)), uint64(revision)), uint64(sub)), uint64(previous))
	if tombstone {
		h = fold(h, 1)
	}
	return finish(h)
}

// takeVersion takes a version, which comes before older ones of its key.
func (v *historyVerification) takeVersion(k, b []byte) error {
	var r Row
	var err error
	if r.Key, r.Revision, err = splitVersionKey(k); err == nil {
		err = decodeRecord(b, &r.Record)
	}
	if err != nil {
		return err
	}
	if v.hasNewer && bytes.Equal(v.newer.Key, r.Key) {
		v.goesOnFrom(&r)
	} else if err := v.endKey(); err != nil {
		return err
	}
	v.hasNewer, v.newer = true, Row{Key: append(v.newer.Key[:0], r.Key...), Revision: r.Revision, Record: r.Record}
	v.newer.Value = nil
	return nil
}

// endKey takes the last version of a key.
func (v *historyVerification) endKey() error {
	if v.hasNewer {
		v.goesOnFrom(nil)
	}
	v.hasNewer = false
	return nil
}

// goesOnFrom compares the newer version with the one that stands before it, nil if none does.
func (v *historyVerification) goesOnFrom(older *Row) {
	r := &v.newer
	if r.Revision <= v.position.compacted {
		return
	}
	previous := int64(0)
	if older != nil && !older.Tombstone {
		previous = older.Revision
	}
	v.versions += hashDone(r.Key, r.Revision, r.sub, r.Tombstone, previous)
	switch {
	case r.Revision > v.position.revision:
		v.note("key %q has revision %d, and the newest is %d", r.Key, r.Revision, v.position.revision)
	case r.Tombstone:
	case r.Create == r.Revision:
	case previous == 0:
		v.note("key %q at revision %d is version %d of one that was made at %d, and the one before is missing", r.Key, r.Revision, r.Version, r.Create)
	case r.Create != older.Create || r.Version <= older.Version:
		v.note("key %q at revision %d is version %d of one that was made at %d, and the one before, at %d, is version %d of one that was made at %d",
			r.Key, r.Revision, r.Version, r.Create, older.Revision, older.Version, older.Create)
	}
}

func (v *historyVerification) note(format string, args ...any) {
	if len(v.broken) < historyShown {
		v.broken = append(v.broken, fmt.Sprintf(format, args...))
	}
}

// takeChange takes what a revision did to a key, unless it was overwritten in the same one.
func (v *historyVerification) takeChange(k, b []byte) error {
	revision, sub, err := splitHistoryKey(k)
	if err != nil {
		return err
	}
	var c change
	if err := decodeChange(b, &c); err != nil {
		return err
	}
	if revision > v.position.compacted && c.tree == nil && !c.overwritten {
		v.changes += hashDone(c.key, revision, sub, c.tombstone, c.previous)
	}
	return nil
}

// explain looks each up in the other, and names what does not fit.
func (v *historyVerification) explain() error {
	if v.versions != v.changes {
		if err := v.all(spaceHistory, v.findVersion); err != nil {
			return err
		}
		if err := v.all(spaceVersion, v.findChange); err != nil {
			return err
		}
	}
	if len(v.broken) == 0 {
		v.note("what versions replaced is not what stands before them")
	}
	var all []error
	for _, text := range v.broken {
		all = append(all, errors.New(text))
	}
	return fmt.Errorf("%w: history and keys do not fit: %w", ErrDamaged, errors.Join(all...))
}

// findVersion looks for the version that a change wrote.
func (v *historyVerification) findVersion(k, b []byte) error {
	revision, sub, err := splitHistoryKey(k)
	if err != nil {
		return err
	}
	var c change
	if err := decodeChange(b, &c); err != nil || revision <= v.position.compacted || c.tree != nil || c.overwritten {
		return err
	}
	value, closer, err := v.snapshot.Get(appendVersionKey(nil, c.key, revision))
	if errors.Is(err, pebble.ErrNotFound) {
		v.note("revision %d changed key %q, of which there is no such version", revision, c.key)
		return nil
	}
	if err != nil {
		return err
	}
	var r Record
	err = decodeRecord(value, &r)
	if err == nil && (r.Tombstone != c.tombstone || r.sub != sub) {
		v.note("what revision %d did to key %q is not what its version says", revision, c.key)
	}
	return errors.Join(err, closer.Close())
}

// findChange looks for the change that wrote a version.
func (v *historyVerification) findChange(k, b []byte) error {
	key, revision, err := splitVersionKey(k)
	if err != nil {
		return err
	}
	var r Record
	if err := decodeRecord(b, &r); err != nil || revision <= v.position.compacted {
		return err
	}
	value, closer, err := v.snapshot.Get(appendHistoryKey(nil, revision, r.sub))
	if errors.Is(err, pebble.ErrNotFound) {
		v.note("key %q has a version of revision %d, which the history does not have", key, revision)
		return nil
	}
	if err != nil {
		return err
	}
	var c change
	err = decodeChange(value, &c)
	if err == nil && !bytes.Equal(c.key, key) {
		v.note("key %q has a version of revision %d, which changed key %q there, as the history has it", key, revision, c.key)
	}
	return errors.Join(err, closer.Close())
}
