package mvcc

import (
	"bytes"
	"encoding/binary"

	"github.com/cespare/xxhash/v2"

	"github.com/quoratedb/quorate/services/consensus/internal/mvcc/count"
)

// versionWalk goes through all versions as they lie on disk, by key and the newest first, and finds what follows from their neighbours:
// which are current, which are hidden, what each has replaced. It holds those of two revisions of a key at a time.
type versionWalk struct {
	l      *loading
	counts *count.Cutter
	// at holds what one revision has done to a key, as far as it is known, newer what the revision after it has: its line of history is still
	// to be written, and not known is what it replaced.
	at, newer revisionOfKey
	// settled says that the key's version at the compacted revision was seen.
	settled bool
	changed change
}

// revisionOfKey is what one revision did to a key, in order; all but the last change is history only. Its memory is used again.
type revisionOfKey struct {
	key      []byte
	revision int64
	// first says that the key has no newer version.
	first   bool
	records []Record
	encoded [][]byte
	// retained says that it is not hidden by the compacted revision.
	retained bool
}

func newVersionWalk(l *loading) versionWalk { return versionWalk{l: l, counts: count.NewCutter("")} }

// last is the version that the revision has left.
func (r *revisionOfKey) last() *Record { return &r.records[len(r.records)-1] }

func (r *revisionOfKey) none() bool { return len(r.records) == 0 }

func (r *revisionOfKey) reset(key []byte, revision int64, first bool) {
	r.key = append(r.key[:0], key...)
	r.revision, r.first, r.retained = revision, first, false
	r.records, r.encoded = r.records[:0], r.encoded[:0]
}

// add copies what a record refers to.
func (r *revisionOfKey) add(encoded []byte) error {
	n := len(r.encoded)
	if n < cap(r.encoded) {
		r.encoded = r.encoded[:n+1]
	} else {
		r.encoded = append(r.encoded, nil)
	}
	r.encoded[n] = append(r.encoded[n][:0], encoded...)
	r.records = append(r.records, Record{})
	return decodeRecord(r.encoded[n], &r.records[n])
}

// take takes the next row. It is the caller's again when take returns.
func (w *versionWalk) take(k, b []byte) error {
	key, revision, err := splitVersionKey(k)
	if err != nil {
		return err
	}
	known := !w.at.none() && bytes.Equal(w.at.key, key)
	if known && w.at.revision == revision {
		return w.at.add(b)
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
	return w.at.add(b)
}

// end is called behind the last row.
func (w *versionWalk) end() error {
	if err := w.complete(); err != nil {
		return err
	}
	if err := w.replaced(nil); err != nil {
		return err
	}
	return w.l.tables.cut()
}

// complete is called when all of a revision of a key is known.
func (w *versionWalk) complete() error {
	if w.at.none() {
		return nil
	}
	at, floor := &w.at, w.l.now.compacted
	last := at.last()
	switch {
	case at.revision > floor:
		at.retained = true
	case !w.settled: // see View.retained
		w.settled = true
		at.retained = !last.Tombstone || at.revision == floor
	}
	if err := w.replaced(at); err != nil {
		return err
	}
	if at.retained {
		w.l.loaded.Versions++
		w.l.keyBuf = appendVersionKey(w.l.keyBuf[:0], at.key, at.revision)
		if err := w.l.tables.set(w.l.keyBuf, at.encoded[len(at.encoded)-1]); err != nil {
			return err
		}
	}
	if at.first && !last.Tombstone {
		if err := w.current(at); err != nil {
			return err
		}
	}
	w.at, w.newer = w.newer, w.at
	w.at.records = w.at.records[:0]
	return nil
}

// current takes a version that is a key's newest.
func (w *versionWalk) current(at *revisionOfKey) error {
	l := w.l
	l.loaded.Keys++
	r := Row{Key: at.key, Revision: at.revision, Record: *at.last()}
	l.now.sum += r.hash(xxhash.Sum64(r.Key))
	l.now.usage.live += r.bytes()
	w.counts.Add(r.Key)
	if err := l.addAttachment(r.Lease, r.Key); err != nil {
		return err
	}
	return l.addExpiry(expiryFile, r.Key, r.Expiration)
}

// replaced writes the history of the newer revision, now that it is known what that replaced: nil for nothing.
func (w *versionWalk) replaced(older *revisionOfKey) error {
	newer, l := &w.newer, w.l
	if newer.none() {
		return nil
	}
	defer func() { newer.records = newer.records[:0] }()
	if !newer.retained || newer.revision < l.now.compacted {
		return nil
	}
	var previous, replaced int64
	if older != nil && older.retained && !older.last().Tombstone {
		previous = older.revision
		replaced = versionUsage(len(older.key), len(older.last().Value))
	}
	for i := range newer.records {
		r := &newer.records[i]
		w.changed = change{
			tombstone: r.Tombstone, previous: previous, key: newer.key,
			recreated: !r.Tombstone && r.Create == newer.revision && previous != 0,
		}
		was := int64(0)
		if i < len(newer.records)-1 {
			w.changed.overwritten, w.changed.record = true, *r
		} else {
			was = replaced
		}
		l.keyBuf = appendHistoryKey(l.keyBuf[:0], newer.revision, r.sub)
		err := l.history.Add(l.keyBuf, func(dst []byte) ([]byte, error) {
			return appendChange(binary.AppendUvarint(dst, uint64(was)), &w.changed), nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}
