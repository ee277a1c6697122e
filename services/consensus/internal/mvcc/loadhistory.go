package mvcc

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"iter"
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

// sortedReplacements yields them in the order of lines. Their keys are the caller's until it asks for the next.
func (l *loading) sortedReplacements() iter.Seq2[lineReplacement, error] {
	return func(yield func(lineReplacement, error) bool) {
		err := l.replacements.Each(func(key, value []byte) error {
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

// historyWriter writes the lines of history, and adds up what they make of usage.
type historyWriter struct {
	l *loading
	// mark is of the revision at hand.
	mark    loadedMark
	changed change
}

// writeHistory walks the versions a second time, in the order of their revisions, beside what they have replaced. That order would else cost
// sorting all keys again.
func (l *loading) writeHistory() (err error) {
	next, stop := iter.Pull2(l.sortedReplacements())
	defer stop()
	replaced, failed, more := next()
	way := l.progress.walk(l.ctx)
	w := historyWriter{l: l, mark: loadedMark{revision: max(l.now.compacted, firstRevision)}}
	versions := l.content.Versions
	if from := l.content.VersionsFrom; from != nil {
		versions = from(l.now.compacted)
	}
	err = l.eachVersion(versions, func(v *LoadVersion) error {
		if err := cmp.Or(failed, way.step()); err != nil {
			return err
		}
		if v.Revision < l.now.compacted {
			return nil
		}
		l.keyBuf = appendHistoryKey(l.keyBuf[:0], v.Revision, v.Sub)
		if !more || !bytes.Equal(replaced.key, l.keyBuf) {
			return w.line(v, replacement{})
		}
		of := replaced.replacement
		replaced, failed, more = next()
		return w.line(v, of)
	})
	if err == nil && more {
		err = errors.Join(failed, errReadOtherwise)
	}
	w.note()
	return errors.Join(err, l.queue.cut())
}

// line writes the line of a version, whose key is in keyBuf.
func (w *historyWriter) line(v *LoadVersion, r replacement) error {
	if v.Revision != w.mark.revision {
		w.note()
		w.mark = loadedMark{revision: v.Revision}
	}
	c, l := &w.changed, w.l
	*c = change{
		tombstone: v.Tombstone, previous: r.previous, key: v.Key, overwritten: r.overwritten,
		recreated: !v.Tombstone && v.Create == v.Revision && r.previous != 0,
	}
	spent := int64(0)
	if r.overwritten {
		c.record = v.Record
	} else {
		l.now.usage.replaced += r.bytes
		if c.tombstone {
			spent = versionUsage(len(c.key), 0)
		}
	}
	spent += changeUsage(c)
	l.now.usage.spent += spent
	w.mark.here += spent
	l.valueBuf = appendChange(l.valueBuf[:0], c)
	return l.set(l.keyBuf, l.valueBuf)
}

// note marks the revision at hand, which is complete, if much was replaced and spent since the mark before.
func (w *historyWriter) note() {
	l, u := w.l, &w.l.now.usage
	if len(l.marks) == 0 || u.replaced+u.spent-u.marked >= l.cfg.usageMarkBytes {
		w.mark.replaced, w.mark.spent = u.replaced, u.spent
		l.marks = append(l.marks, w.mark)
		u.marked = u.replaced + u.spent
	}
}
