package mvcc

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"runtime"
	"sync"

	"golang.org/x/sync/errgroup"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/consensus/internal/externalsort"
	"github.com/quoratedb/quorate/services/consensus/internal/mvcc/count"
)

// Content is all that a store holds, as Load takes it. What iterators yield is read at once and not kept.
type Content struct {
	// Progress, unless nil, is told again and again which part is done, from 0 to 1: by several goroutines, but one at a time.
	Progress func(part float64)
	// Revision is the newest, Compacted the oldest that can be read, 0 for all.
	Revision, Compacted int64
	// Versions come in the order of revisions and sub-revisions, each time anew that they are walked. Of those of one key and revision the last one
	// is the version, and the others are history alone. What Compacted hides may be among them. Each is its own until the next one is asked for.
	Versions iter.Seq2[*LoadVersion, error]
	// VersionsFrom, unless nil, yields those of a revision and of later ones, without walking the others. Several goroutines may walk what it returns.
	VersionsFrom func(revision int64) iter.Seq2[*LoadVersion, error]
	// Sample, unless nil, returns about so many of the versions, from all over. The work is shared out by them, and nothing else depends on them.
	Sample func(n int) []LoadSample
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

// loadWritersMax is how many parts of the versions are read, or written, at a time at most, each by a goroutine of its own.
const loadWritersMax = 4

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
	cfg     Config
	tables  *tables
	// rows writes what is neither versions nor history.
	rows   tableWriter
	loaded Loaded

	sortDir  string
	versions *externalsort.Buckets
	// closing lets go of them while the rest is done.
	closing errgroup.Group
	// replacements are sorted as the lines of history to which they belong, attachments and expiries by the keys that they will have.
	replacements, attachments, expiries found
	memory                              *sortMemory
	progress                            loadProgress
	// histories are written from the first walk over the versions on, each of some revisions.
	histories []*historyWriter

	// now is the state in the making.
	now    state
	counts []count.Bucket
	marks  []loadedMark

	keyBuf, valueBuf []byte
}

// sortPattern names the files in which is sorted.
const sortPattern = "sort-*"

// loadedMark is a mark of usage.go's.
type loadedMark struct {
	revision int64
	usageMark
}

// found are rows, without or with a value, that are found by several goroutines.
type found struct {
	mu sync.Mutex
	*externalsort.Sorter
}

func (f *found) add(key []byte, appendValue func([]byte) ([]byte, error)) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.Add(key, appendValue)
}

func newLoading(ctx context.Context, cfg Config, sortDir string, c *Content) *loading {
	l := &loading{
		ctx: ctx, content: c, cfg: cfg, tables: newTables(cfg), sortDir: sortDir, memory: newSortMemory(cfg, len(c.File)),
		now: state{position: freshPosition(), usage: usage{liveKnown: true, freedKnown: true}},
	}
	for _, f := range []*found{&l.replacements, &l.attachments, &l.expiries} {
		f.Sorter = externalsort.New(externalsort.Config{Dir: sortDir, Pattern: sortPattern, RunBytes: cfg.loadRunBytes})
	}
	l.rows.t = l.tables
	l.progress.l = l
	l.now.revision, l.now.compacted = c.Revision, c.Compacted
	return l
}

func (l *loading) close() error {
	l.rows.giveUp()
	for _, w := range l.histories {
		w.tables.giveUp()
	}
	l.tables.syncs.Wait()
	return errors.Join(l.closing.Wait(), l.closeVersions(), l.replacements.Close(), l.attachments.Close(), l.expiries.Close())
}

func (l *loading) closeVersions() error {
	if l.versions == nil {
		return nil
	}
	return l.versions.Close()
}

// letGoOfVersions makes room on the disk and in memory, of which there may be so much that it takes time.
func (l *loading) letGoOfVersions() error {
	l.closing.Go(l.closeVersions)
	return nil
}

func (l *loading) load() error {
	if l.content.Revision < firstRevision || l.content.Compacted > l.content.Revision {
		return fmt.Errorf("there is no revision %d, compacted up to %d", l.content.Revision, l.content.Compacted)
	}
	for _, step := range []func() error{
		l.sortVersions,
		l.writeVersions,
		l.letGoOfVersions,
		l.writeHistory,
		func() error { return l.writeSorted(&l.attachments) },
		l.writeDirs,
		func() error { return l.writeSorted(&l.expiries) },
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

// writers is how many parts are written at a time.
func (l *loading) writers() int { return min(runtime.GOMAXPROCS(0), loadWritersMax) }

// writeVersions writes the versions as they lie on disk: parts of them, some at the same time, each as tables of its own.
func (l *loading) writeVersions() error {
	writers := l.writers()
	parts := l.versions.Parts(cmp.Or(l.cfg.loadParts, writers))
	walks := make([]*versionWalk, len(parts))
	err := eachAtOnce(l.ctx, len(parts), writers, func(ctx context.Context, i int) error {
		walks[i] = newVersionWalk(ctx, l, parts[i].From())
		return walks[i].walk(parts[i])
	})
	if err != nil {
		return err
	}
	for _, w := range walks {
		l.now.sum += w.sum
		l.now.usage.live += w.live
		l.loaded.Keys += w.keys
		l.loaded.Versions += w.versions
		l.counts = append(l.counts, w.counts.Buckets()...)
	}
	return nil
}

func (l *loading) set(key, value []byte) error { return l.rows.set(key, value) }

// writeSorted writes rows without values.
func (l *loading) writeSorted(rows *found) error {
	if err := rows.Each(func(key, _ []byte) error { return l.set(key, nil) }); err != nil {
		return err
	}
	return l.rows.cut()
}
