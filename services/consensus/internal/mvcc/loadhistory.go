package mvcc

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"iter"
	"sort"

	"github.com/quoratedb/quorate/services/consensus/internal/externalsort"
)

// replacement is what a line of history says beyond the version that it belongs to. Most lines say nothing: their keys were not there before.
type replacement struct {
	// previous is the revision of the version that was replaced, and bytes is what that takes. An overwritten change replaces in history alone.
	previous, bytes int64
	overwritten     bool
}

func (r *replacement) append(dst []byte) []byte {
	overwritten := byte(0)
	if r.overwritten {
		overwritten = 1
	}
	dst = binary.AppendUvarint(append(dst, overwritten), uint64(r.previous))
	return binary.AppendUvarint(dst, uint64(r.bytes))
}

func decodeReplacement(b []byte) replacement {
	previous, n := binary.Uvarint(b[1:])
	size, _ := binary.Uvarint(b[1+n:])
	return replacement{previous: int64(previous), bytes: int64(size), overwritten: b[0] == 1}
}

// lineReplacement is a replacement, and the key of its line.
type lineReplacement struct {
	key []byte
	replacement
}

// errReadOtherwise is returned when versions are others than when they were walked before.
var errReadOtherwise = errors.New("the versions have changed while they were read")

// sortedReplacements yields a part of them in the order of lines. Their keys are the caller's until it asks for the next.
func sortedReplacements(part externalsort.Part) iter.Seq2[lineReplacement, error] {
	return func(yield func(lineReplacement, error) bool) {
		err := part.Each(func(key, value []byte) error {
			if !yield(lineReplacement{key, decodeReplacement(value)}, nil) {
				return errEnough
			}
			return nil
		})
		if err != nil && !errors.Is(err, errEnough) {
			yield(lineReplacement{}, err)
		}
	}
}

// historyWriter writes the lines of history of some revisions, and adds up what they make of usage. It is for one goroutine.
type historyWriter struct {
	l   *loading
	way wayPart
	// from is the first revision, and to the one behind the last, 0 for the end. replaced are those of their lines.
	from, to int64
	replaced externalsort.Part
	tables   tableWriter
	// usage is what its revisions add to it, marks are theirs, without what is before, and mark is of the revision at hand.
	usage usage
	marks []loadedMark
	mark  loadedMark

	changed          change
	keyBuf, valueBuf []byte
}

// writeHistory walks the versions a second time, in the order of their revisions, beside what they have replaced: parts of them at the same time.
// That order would else cost sorting all keys again.
func (l *loading) writeHistory() error {
	begins := l.historyParts()
	writers := make([]*historyWriter, len(begins))
	for i, from := range begins {
		w := &historyWriter{l: l, from: from, tables: tableWriter{t: l.tables}, mark: loadedMark{revision: max(from, firstRevision)}}
		var low, high []byte
		if i > 0 {
			low = appendHistoryKey(nil, from, 0)
		}
		if i+1 < len(begins) {
			w.to = begins[i+1]
			high = appendHistoryKey(nil, w.to, 0)
		}
		var err error
		if w.replaced, err = l.replacements.Stretch(low, high, len(begins)); err != nil {
			return err
		}
		writers[i] = w
	}
	err := eachAtOnce(l.ctx, len(writers), func(ctx context.Context, i int) error {
		writers[i].way = l.progress.walk(ctx)
		return writers[i].write()
	})
	u := &l.now.usage
	for _, w := range writers {
		for _, mark := range w.marks {
			mark.replaced += u.replaced
			mark.spent += u.spent
			u.marked = mark.replaced + mark.spent
			l.marks = append(l.marks, mark)
		}
		u.replaced += w.usage.replaced
		u.spent += w.usage.spent
	}
	return err
}

// historyParts returns the first revisions of the parts in which history is written.
func (l *loading) historyParts() []int64 {
	begins := []int64{l.now.compacted}
	seen := l.progress.revisions
	seen = seen[sort.Search(len(seen), func(i int) bool { return seen[i] > l.now.compacted }):]
	if l.content.VersionsFrom == nil {
		return begins
	}
	for n, i := l.parts(), 1; i < n && len(seen) > n; i++ {
		if at := seen[i*len(seen)/n]; at > begins[len(begins)-1] {
			begins = append(begins, at)
		}
	}
	return begins
}

func (w *historyWriter) write() error {
	defer w.tables.giveUp()
	next, stop := iter.Pull2(sortedReplacements(w.replaced))
	defer stop()
	replaced, failed, more := next()
	versions := w.l.content.Versions
	if from := w.l.content.VersionsFrom; from != nil {
		versions = from(w.from)
	}
	err := w.l.eachVersion(versions, func(v *LoadVersion) error {
		if err := cmp.Or(failed, w.way.step()); err != nil {
			return err
		}
		if v.Revision < w.from {
			return nil
		}
		if w.to > 0 && v.Revision >= w.to {
			return errEnough
		}
		w.keyBuf = appendHistoryKey(w.keyBuf[:0], v.Revision, v.Sub)
		if !more || !bytes.Equal(replaced.key, w.keyBuf) {
			return w.line(v, replacement{})
		}
		of := replaced.replacement
		replaced, failed, more = next()
		return w.line(v, of)
	})
	switch {
	case err != nil && !errors.Is(err, errEnough):
		return err
	case more:
		return cmp.Or(failed, errReadOtherwise)
	}
	w.note()
	return w.tables.cut()
}

// line writes the line of a version, whose key is in keyBuf.
func (w *historyWriter) line(v *LoadVersion, r replacement) error {
	if v.Revision != w.mark.revision {
		w.note()
		w.mark = loadedMark{revision: v.Revision}
	}
	c := &w.changed
	*c = change{
		tombstone: v.Tombstone, previous: r.previous, key: v.Key, overwritten: r.overwritten,
		recreated: !v.Tombstone && v.Create == v.Revision && r.previous != 0,
	}
	spent := int64(0)
	if r.overwritten {
		c.record = v.Record
	} else {
		w.usage.replaced += r.bytes
		if c.tombstone {
			spent = versionUsage(len(c.key), 0)
		}
	}
	spent += changeUsage(c)
	w.usage.spent += spent
	w.mark.here += spent
	w.valueBuf = appendChange(w.valueBuf[:0], c)
	return w.tables.set(w.keyBuf, w.valueBuf)
}

// note marks the revision at hand, which is complete, if much was replaced and spent since the mark before.
func (w *historyWriter) note() {
	u := &w.usage
	if len(w.marks) == 0 || u.replaced+u.spent-u.marked >= w.l.cfg.usageMarkBytes {
		w.mark.replaced, w.mark.spent = u.replaced, u.spent
		w.marks = append(w.marks, w.mark)
		u.marked = u.replaced + u.spent
	}
}
