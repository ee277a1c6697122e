package mvcc

import (
	"context"
	"errors"
	"fmt"
	"iter"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/consensus/internal/externalsort"
)

// Content is all that a store holds, as Load takes it. What iterators yield is read at once and not kept.
type Content struct {
	// Progress, unless nil, is told again and again which part is done, from 0 to 1.
	Progress func(part float64)
	// Revision is the newest, Compacted the oldest that can be read, 0 for all.
	Revision, Compacted int64
	// Versions come in the order of revisions and sub-revisions, each time anew that they are walked. Of those of one key and revision the last one
	// is the version, and the others are history alone. What Compacted hides may be among them.
	Versions iter.Seq2[LoadVersion, error]
	// File is where the versions come from, mapped into memory, nil for none. Values that say at which place they are in it may be read there again.
	File   []byte
	Leases iter.Seq2[*consensusv1.Lease, error]
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
	// Place is where its value is in Content.File, 0 if it is not.
	Place int64
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

// loadKeptBytes is how much of the sorted versions stays in memory.
const loadKeptBytes = 48 << 20

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
	// replacements are sorted as the lines of history to which they belong, attachments and expiries by the keys that they will have.
	replacements, attachments, expiries *externalsort.Sorter
	walk                                versionWalk
	// farEnd is where the part of Content.File ends whose values stay where they are.
	farEnd int64
	// sorted is how many versions there are, walked how many were passed on the long ways, and read how many bytes.
	sorted, walked int
	read           int64

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
	sorter := func(keptBytes int) *externalsort.Sorter {
		return externalsort.New(externalsort.Config{Dir: sortDir, Pattern: "sort-*", RunBytes: cfg.loadRunBytes, KeptBytes: keptBytes})
	}
	l := &loading{
		ctx: ctx, content: c, tables: newTables(cfg), farEnd: farEnd(cfg, len(c.File)),
		versions: sorter(loadKeptBytes), replacements: sorter(0), attachments: sorter(0), expiries: sorter(0),
		now: state{position: freshPosition(), usage: usage{liveKnown: true, freedKnown: true}},
	}
	l.now.revision, l.now.compacted = c.Revision, c.Compacted
	l.walk = newVersionWalk(l)
	return l
}

func (l *loading) close() error {
	l.tables.close()
	return errors.Join(l.versions.Close(), l.replacements.Close(), l.attachments.Close(), l.expiries.Close())
}

func (l *loading) load() error {
	if l.content.Revision < firstRevision || l.content.Compacted > l.content.Revision {
		return fmt.Errorf("there is no revision %d, compacted up to %d", l.content.Revision, l.content.Compacted)
	}
	for _, step := range []func() error{
		l.sortVersions,
		l.writeVersions,
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

// eachVersion calls fn with the versions, one by one.
func (l *loading) eachVersion(fn func(*LoadVersion) error) error {
	if l.content.Versions == nil {
		return nil
	}
	var before struct{ revision, sub int64 }
	var v LoadVersion // one for all, since fn gets its address
	for next, err := range l.content.Versions {
		if err != nil {
			return err
		}
		v = next
		if len(v.Key) == 0 || v.Revision <= 0 || v.Revision > l.now.revision || v.Sub < 0 || v.Sub >= treeSub {
			return fmt.Errorf("version of key %q at revision %d.%d does not belong below revision %d", v.Key, v.Revision, v.Sub, l.now.revision)
		}
		if v.Revision < before.revision || v.Revision == before.revision && v.Sub <= before.sub {
			return fmt.Errorf("version of key %q at revision %d.%d comes behind %d.%d", v.Key, v.Revision, v.Sub, before.revision, before.sub)
		}
		before.revision, before.sub = v.Revision, v.Sub
		v.Record.sub = v.Sub
		if err := fn(&v); err != nil {
			return err
		}
	}
	return nil
}

// sortVersions orders the versions as they will lie on disk.
func (l *loading) sortVersions() error {
	return l.eachVersion(func(v *LoadVersion) error {
		l.sorted++
		l.read += int64(len(v.Key) + len(v.Value))
		if err := l.step(); err != nil {
			return err
		}
		l.keyBuf = appendSortKey(l.keyBuf[:0], v.Key, v.Revision)
		return l.versions.Add(l.keyBuf, func(dst []byte) ([]byte, error) { return l.appendSorted(dst, v), nil })
	})
}

// writeVersions writes the versions as they lie on disk.
func (l *loading) writeVersions() error {
	if err := l.versions.Each(l.walk.take); err != nil {
		return err
	}
	return l.walk.end()
}

// step is called for each row on the long ways, of which there are three: the versions as they come, as they lie on disk, and for their history. It
// says how far that is, and ends them with the context.
func (l *loading) step() error {
	if l.walked++; l.walked%scanRowsPerCheck != 0 {
		return nil
	}
	if l.content.Progress != nil {
		part := float64(l.walked) / float64(3*l.sorted)
		if l.walked == l.sorted { // of the first way the end is not known
			part = min(1, float64(l.read)/float64(max(len(l.content.File), 1))) / 3
		}
		l.content.Progress(part)
	}
	return context.Cause(l.ctx)
}

func (l *loading) set(key, value []byte) error {
	_, err := l.tables.set(key, value, nil)
	return err
}

// writeSorted writes rows without values.
func (l *loading) writeSorted(s *externalsort.Sorter) error {
	if err := s.Each(func(key, _ []byte) error { return l.set(key, nil) }); err != nil {
		return err
	}
	return l.tables.cut()
}
