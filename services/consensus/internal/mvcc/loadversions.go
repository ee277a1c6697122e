package mvcc

import (
	"bytes"
	"context"
	"encoding/binary"
	"slices"

	"github.com/cespare/xxhash/v2"

	"github.com/quoratedb/quorate/services/consensus/internal/externalsort"
	"github.com/quoratedb/quorate/services/consensus/internal/mvcc/count"
)

// versionWalk goes through a part of the versions as they lie on disk, by key and the newest first, and finds what follows from their neighbours:
// which are current, which are hidden, what each has replaced. It holds what two revisions did to a key at a time. It is for one goroutine.
type versionWalk struct {
	way wayPart
	// tables are the part's.
	tables tableWriter
	// The part has so many keys and versions, the sum of what is current, and what that takes, with what follows from it.
	keys, versions int64
	sum            uint64
	follower
	counts *count.Cutter
	// at is what one revision has done to a key, as far as it is known, newer what the revision after it has: not known is what that replaced.
	at, newer *revisionOfKey
	// settled says that the key's version at the compacted revision was seen.
	settled bool
	// keyBuf has a key, and rowBuf that of a row.
	keyBuf, rowBuf []byte
}

// revisionOfKey is what one revision did to a key. Its memory is used again.
type revisionOfKey struct {
	// Row is the version that the revision has left, with its value until the next row is written, and size what it takes.
	Row
	size int64
	// first says that the key has no newer version.
	first bool
	// subs are of its changes, in order; all but the last one is history only. None is for nothing.
	subs []int64
	// retained says that it is not hidden by the compacted revision.
	retained bool
}

// newVersionWalk walks from what the versions of a key begin with when they are sorted, nil for the beginning.
func newVersionWalk(ctx context.Context, l *loading, from []byte) *versionWalk {
	low := ""
	if from != nil {
		key, _, _ := splitSortKey(binary.BigEndian.AppendUint64(slices.Clip(from), 0), nil)
		low = string(key)
	}
	return &versionWalk{
		way: l.progress.walk(ctx), tables: tableWriter{t: l.tables}, follower: follower{l: l}, counts: count.NewCutter(low),
		at: &revisionOfKey{}, newer: &revisionOfKey{},
	}
}

func (w *versionWalk) walk(part externalsort.BucketsPart) error {
	defer w.tables.giveUp()
	if err := part.Each(w.take); err != nil {
		return err
	}
	return w.end()
}

func (r *revisionOfKey) none() bool { return len(r.subs) == 0 }

func (r *revisionOfKey) reset(key []byte, revision int64, first bool) {
	r.Key = append(r.Key[:0], key...)
	r.Revision, r.first, r.retained = revision, first, false
	r.subs = r.subs[:0]
}

// take takes the next row. It is the caller's again when take returns.
func (w *versionWalk) take(k, b []byte) error {
	if err := w.way.step(); err != nil {
		return err
	}
	key, keyBuf, revision := splitSortKey(k, w.keyBuf)
	w.keyBuf = keyBuf
	known := !w.at.none() && bytes.Equal(w.at.Key, key)
	if known && w.at.Revision == revision {
		w.tables.drop()
		return w.write(b)
	}
	if err := w.complete(); err != nil {
		return err
	}
	if !known {
		if err := w.replaced(nil); err != nil {
			return err
		}
		w.settled = false
	}
	w.at.reset(key, revision, !known)
	return w.write(b)
}

// write writes a row, which is taken back if a later one says that the store has none of it.
func (w *versionWalk) write(b []byte) error {
	at, l := w.at, w.l
	w.rowBuf = appendVersionKey(w.rowBuf[:0], at.Key, at.Revision)
	head, value := l.splitSorted(b)
	written, err := w.tables.hold(w.rowBuf, head, value)
	if err != nil {
		return err
	}
	if err := decodeRecord(written, &at.Record); err != nil {
		return err
	}
	at.size = at.bytes()
	at.subs = append(at.subs, at.sub)
	return nil
}

// end is called behind the last row.
func (w *versionWalk) end() error {
	if err := w.complete(); err != nil {
		return err
	}
	if err := w.replaced(nil); err != nil {
		return err
	}
	return w.tables.cut()
}

// complete is called when all of a revision of a key is known.
func (w *versionWalk) complete() error {
	if w.at.none() {
		return nil
	}
	at, floor := w.at, w.l.now.compacted
	switch {
	case at.Revision > floor:
		at.retained = true
	case !w.settled: // see View.retained
		w.settled = true
		at.retained = !at.Tombstone || at.Revision == floor
	}
	if err := w.replaced(at); err != nil {
		return err
	}
	if at.first && !at.Tombstone {
		if err := w.current(at); err != nil {
			return err
		}
	}
	if at.retained {
		w.versions++
	} else {
		w.tables.drop()
	}
	at.Value = nil
	w.at, w.newer = w.newer, w.at
	w.at.subs = w.at.subs[:0]
	return nil
}

// current takes a version that is a key's newest.
func (w *versionWalk) current(at *revisionOfKey) error {
	w.keys++
	w.sum += at.hash(xxhash.Sum64(at.Key))
	w.live += at.size
	w.counts.Add(at.Key)
	if err := w.addAttachment(at.Lease, at.Key); err != nil {
		return err
	}
	return w.addExpiry(expiryFile, at.Key, at.Expiration)
}

// replaced notes what the newer revision has replaced, now that it is known: nil for nothing.
func (w *versionWalk) replaced(older *revisionOfKey) error {
	newer, l := w.newer, w.l
	if newer.none() {
		return nil
	}
	defer func() { newer.subs = newer.subs[:0] }()
	if newer.Revision < l.now.compacted { // there is no history of it
		return nil
	}
	var r replacement
	if older != nil && older.retained && !older.Tombstone {
		r = replacement{previous: older.Revision, bytes: older.size}
	}
	last := len(newer.subs) - 1
	for i, sub := range newer.subs {
		r.overwritten = i < last
		if r == (replacement{}) {
			continue
		}
		w.rowBuf = appendHistoryKey(w.rowBuf[:0], newer.Revision, sub)
		if err := l.replacements.add(w.rowBuf, func(dst []byte) ([]byte, error) { return r.append(dst), nil }); err != nil {
			return err
		}
	}
	return nil
}
