package mvcc

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"

	"github.com/cockroachdb/pebble/v2/cockroachkvs"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/consensus/internal/externalsort"
)

// Content is all that a store holds, as Load takes it. What iterators yield is read at once and not kept.
type Content struct {
	// Revision is the newest, Compacted the oldest that can be read, 0 for all.
	Revision, Compacted int64
	// Versions come in any order but for those of one key and revision, which come in the order of their sub-revisions: the last one is the
	// version, and the others are history alone. What Compacted hides may be among them.
	Versions iter.Seq2[LoadVersion, error]
	Leases   iter.Seq2[*consensusv1.Lease, error]
	// Records are named values, see records.go.
	Records map[string][]byte
	// Dirs and Times come in the order of paths and revisions.
	Dirs  iter.Seq2[LoadDir, error]
	Times iter.Seq2[LoadTime, error]
}

// LoadVersion is a version, or a tombstone, of which only key and revision count.
type LoadVersion struct {
	Row
	Sub int64
}

// LoadDir is a directory of the tree.
type LoadDir struct {
	Path []byte
	Dir
}

// LoadTime says when a revision was made, in nanoseconds since 1970.
type LoadTime struct{ Revision, Nanoseconds int64 }

// Loaded counts what Load has found: keys that are current, versions that can be read, and leases.
type Loaded struct {
	Keys, Versions, Leases int64
}

const (
	// loadRunBytes is how much is sorted in memory at once, of versions, while as much is on its way to the disk.
	loadRunBytes = 32 << 20
	// loadSmallRunBytes is the same of what is sorted beside: history, attachments, expiries.
	loadSmallRunBytes = 8 << 20
)

// Load makes a store, at log index 0, in the directory of the configuration, which must not hold one. Rows are sorted in sortDir, which is
// on the machine's disk, and written from front to back as the tables of the store: neither memory nor time go by a write at a time. A
// failed Load leaves a directory that is of no use.
//
// What is loaded follows from the content alone: all members that load the same have the same digest.
func Load(ctx context.Context, cfg Config, sortDir string, c *Content) (Loaded, error) {
	cfg.setDefaults()
	l := newLoading(ctx, cfg, sortDir, c)
	err := errors.Join(l.load(), l.close())
	if err != nil {
		return Loaded{}, fmt.Errorf("load store %s: %w", cfg.Dir, err)
	}
	return l.loaded, nil
}

// loading is one call of Load.
type loading struct {
	ctx     context.Context
	content *Content
	tables  *tables
	loaded  Loaded

	versions *externalsort.Sorter
	// history, attachments and expiries are sorted by the keys that they will have.
	history, attachments, expiries *externalsort.Sorter
	walk                           versionWalk

	// now is the state in the making.
	now              state
	marks            []loadedMark
	keyBuf, valueBuf []byte
}

// loadedMark is a mark of usage.go's.
type loadedMark struct {
	revision int64
	usageMark
}

func newLoading(ctx context.Context, cfg Config, sortDir string, c *Content) *loading {
	sorter := func(runBytes int) *externalsort.Sorter {
		return externalsort.New(externalsort.Config{
			Dir: sortDir, Pattern: "sort-*", RunBytes: runBytes, Compare: cockroachkvs.Comparer.Compare,
		})
	}
	l := &loading{
		ctx: ctx, content: c, tables: newTables(cfg),
		versions: sorter(loadRunBytes), history: sorter(loadSmallRunBytes), attachments: sorter(loadSmallRunBytes), expiries: sorter(loadSmallRunBytes),
		now: state{position: freshPosition(), usage: usage{liveKnown: true, freedKnown: true}},
	}
	l.now.revision, l.now.compacted = c.Revision, c.Compacted
	l.walk = newVersionWalk(l)
	return l
}

func (l *loading) close() error {
	return errors.Join(l.versions.Close(), l.history.Close(), l.attachments.Close(), l.expiries.Close(), l.tables.close())
}

func (l *loading) load() error {
	if l.content.Revision < firstRevision || l.content.Compacted > l.content.Revision {
		return fmt.Errorf("there is no revision %d, compacted up to %d", l.content.Revision, l.content.Compacted)
	}
	for _, step := range []func() error{
		l.sortVersions,
		func() error { return l.versions.Each(l.walk.take) },
		func() error { return l.walk.end() },
		l.versions.Close, // its file makes room
		l.writeHistory,
		func() error { return l.writeSorted(l.attachments) },
		l.writeDirs,
		func() error { return l.writeSorted(l.expiries) },
		l.writeCounts,
		l.writeLeases,
		l.writeRecords,
		l.writeTimes,
		l.writeMarks,
		l.writeMeta,
		l.tables.adopt,
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// sortVersions orders the versions as they will lie on disk.
func (l *loading) sortVersions() error {
	if l.content.Versions == nil {
		return nil
	}
	n := 0
	for v, err := range l.content.Versions {
		if err != nil {
			return err
		}
		if n++; n%scanRowsPerCheck == 0 && l.ctx.Err() != nil {
			return context.Cause(l.ctx)
		}
		if len(v.Key) == 0 || v.Revision <= 0 || v.Revision > l.now.revision || v.Sub < 0 || v.Sub >= treeSub {
			return fmt.Errorf("version of key %q at revision %d.%d does not belong below revision %d", v.Key, v.Revision, v.Sub, l.now.revision)
		}
		v.Record.sub = v.Sub
		l.keyBuf = appendVersionKey(l.keyBuf[:0], v.Key, v.Revision)
		err := l.versions.Add(l.keyBuf, func(dst []byte) ([]byte, error) { return appendRecord(dst, &v.Record), nil })
		if err != nil {
			return err
		}
	}
	return nil
}

// writeSorted writes rows without values.
func (l *loading) writeSorted(s *externalsort.Sorter) error {
	if err := s.Each(func(key, _ []byte) error { return l.tables.set(key, nil) }); err != nil {
		return err
	}
	return l.tables.cut()
}

// writeHistory writes the lines of history that versionWalk has found, and adds up what they make of usage.
func (l *loading) writeHistory() error {
	var c change
	u := &l.now.usage
	mark := loadedMark{revision: max(l.now.compacted, firstRevision)}
	note := func() { // a revision is complete
		if len(l.marks) == 0 || u.replaced+u.spent-u.marked >= l.tables.cfg.usageMarkBytes {
			mark.replaced, mark.spent = u.replaced, u.spent
			l.marks = append(l.marks, mark)
			u.marked = u.replaced + u.spent
		}
	}
	err := l.history.Each(func(key, value []byte) error {
		revision, _, err := splitHistoryKey(key)
		if err != nil {
			return err
		}
		if revision != mark.revision {
			note()
			mark = loadedMark{revision: revision}
		}
		replaced, n := binary.Uvarint(value)
		if err := decodeChange(value[n:], &c); err != nil {
			return err
		}
		spent := changeUsage(&c)
		if c.tombstone && !c.overwritten {
			spent += versionUsage(len(c.key), 0)
		}
		u.replaced += int64(replaced)
		u.spent += spent
		mark.here += spent
		return l.tables.set(key, value[n:])
	})
	note()
	return errors.Join(err, l.tables.cut())
}
