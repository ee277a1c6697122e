package mvcc

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"iter"
	"slices"

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
	// begin is its first revision, from and fromSub are where it goes on, and to is the revision behind the last, 0 for the end. replaced are those of its
	// lines from there on.
	begin, from, fromSub, to int64
	replaced                 externalsort.Part
	tables                   tableWriter
	// usage is what its revisions add to it, marks are theirs, without what is before, and mark is of the revision at hand.
	usage usage
	marks []loadedMark
	mark  loadedMark
	// late says that a version came of which only the sorted versions tell what it has replaced.
	late bool

	changed          change
	keyBuf, valueBuf []byte
}

func newHistoryWriter(l *loading, from, to int64) *historyWriter {
	return &historyWriter{l: l, begin: from, from: from, to: to, tables: tableWriter{t: l.tables, scanned: true}, mark: loadedMark{revision: max(from, firstRevision)}}
}

// none says that all its revisions are compacted.
func (w *historyWriter) none() bool { return w.to > 0 && w.to <= w.begin }

// early writes the line of a version as it comes the first time, up to the first one that has replaced something: by its number a key's first version has not.
func (w *historyWriter) early(v *LoadVersion) error {
	switch {
	case w.late || v.Revision < w.from:
		return nil
	case v.Tombstone || v.Version != 1:
		w.late, w.from, w.fromSub = true, v.Revision, v.Sub
		return nil
	}
	w.keyBuf = appendHistoryKey(w.keyBuf[:0], v.Revision, v.Sub)
	return w.line(v, replacement{})
}

// writeHistory completes what was written early. Behind that it walks the versions a second time, in the order of their revisions, beside what they have
// replaced: parts of them at the same time. That order would else cost sorting all keys again.
func (l *loading) writeHistory() error {
	writers := slices.DeleteFunc(slices.Clone(l.histories), (*historyWriter).none)
	if err := l.checkEarly(writers); err != nil {
		return err
	}
	err := eachAtOnce(l.ctx, len(writers), l.writers(), func(ctx context.Context, i int) error {
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

// checkEarly says what was replaced in each part behind what was written early, and begins it anew if numbers of versions were not true: then a line was written
// of a version that has replaced something.
func (l *loading) checkEarly(writers []*historyWriter) error {
	for _, w := range writers {
		behind, end := []byte(nil), []byte(nil)
		if w.to > 0 {
			end = appendHistoryKey(nil, w.to, 0)
		}
		if behind = end; w.late {
			behind = appendHistoryKey(nil, w.from, w.fromSub)
		}
		begin := appendHistoryKey(nil, w.begin, 0)
		early, err := l.replacements.Stretch(begin, behind, 1)
		if err != nil {
			return err
		}
		switch err := early.Each(func(_, _ []byte) error { return errEnough }); {
		case errors.Is(err, errEnough):
			if err := w.tables.discard(); err != nil {
				return err
			}
			*w = *newHistoryWriter(l, w.begin, w.to)
			w.late, behind = true, begin
		case err != nil:
			return err
		}
		if w.replaced, err = l.replacements.Stretch(behind, end, min(len(writers), l.writers())); err != nil {
			return err
		}
	}
	return nil
}

func (w *historyWriter) write() error {
	defer w.tables.giveUp()
	if w.late {
		if err := w.writeLate(); err != nil {
			return err
		}
	}
	w.note()
	return w.tables.cut()
}

func (w *historyWriter) writeLate() error {
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
		if v.Revision < w.from || v.Revision == w.from && v.Sub < w.fromSub {
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
	return nil
}

// line writes the line of a version, whose key is in keyBuf.
func (w *historyWriter) line(v *LoadVersion, r replacement) error {
	if v.Revision != w.mark.revision {
		w.note()
		w.mark = loadedMark{revision: v.Revision}
	}
	c := &w.changed
	if c.overwritten {
		c.record = Record{} // of the line before
	}
	c.tombstone, c.previous, c.key, c.overwritten = v.Tombstone, r.previous, v.Key, r.overwritten
	c.recreated = !v.Tombstone && v.Create == v.Revision && r.previous != 0
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
