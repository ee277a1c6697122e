package mvcc

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// Compaction is in two parts. The command only moves the compacted revision R: from then on nothing below R can be read.
// RunCompaction removes what that hides, at its own pace and differently far on each member. It walks the history up to
// R, and for each change removes the version that the change replaced, and the change's own version if that is a tombstone
// older than R: so it visits what changed, not what is stored. At the end it drops the history below R with one range
// deletion. The history of R itself, and R's tombstones, stay for watches that start there, and are walked again the next
// time.
//
// Removing a version twice does no harm, so a walk that a crash interrupts goes on from the last position that survived.

const (
	// compactionChunkChanges bounds one batch of removals, so that the foreground's batches need not wait long for it.
	compactionChunkChanges = 2000
	// compactionRest is how long the walk rests after each chunk, in times of what the chunk took.
	compactionRest = 1
)

// compaction is what is known about the removal of compacted versions.
type compaction struct {
	// progress is the walk's, which RunCompaction alone moves.
	progress progress
	// kick has a token when there may be work.
	kick chan struct{}
	mu   struct {
		sync.Mutex
		// finished is the compacted revision below which everything is removed.
		finished int64
		// advanced is closed and replaced when finished moves.
		advanced chan struct{}
	}
}

// progress is how far the walk is, as it is stored.
type progress struct {
	// finished as in compaction.
	finished int64
	// target is where the walk under way leads, 0 if there is none. It stays when the compacted revision moves on: which
	// tombstones go depends on it.
	target int64
	// revision and sub are where the walk goes on.
	revision, sub int64
}

func appendProgress(dst []byte, p *progress) []byte {
	dst = binary.AppendUvarint(dst, uint64(p.finished))
	dst = binary.AppendUvarint(dst, uint64(p.target))
	dst = binary.AppendUvarint(dst, uint64(p.revision))
	return binary.AppendUvarint(dst, uint64(p.sub))
}

func decodeProgress(b []byte, p *progress) error {
	d := decoder{b: b}
	*p = progress{finished: d.int64(), target: d.int64(), revision: d.int64(), sub: d.int64()}
	if d.failed || len(d.b) != 0 {
		return fmt.Errorf("compaction record %.16x: %w", b, errBadRecord)
	}
	return nil
}

func loadCompaction(s *Store) error {
	c := &s.compaction
	c.kick = make(chan struct{}, 1)
	c.mu.advanced = make(chan struct{})
	b, err := getRow(s, appendMetaKey(nil, metaCompaction))
	if err != nil || b == nil {
		return err
	}
	err = decodeProgress(b, &c.progress)
	c.mu.finished = c.progress.finished
	return err
}

// wake tells RunCompaction that the compacted revision moved.
func (c *compaction) wake() {
	select {
	case c.kick <- struct{}{}:
	default:
	}
}

func (c *compaction) finish(revision int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mu.finished = revision
	close(c.mu.advanced)
	c.mu.advanced = make(chan struct{})
}

// Compact moves the compacted revision up to one that exists.
func (b *Batch) Compact(revision int64) error {
	if err := freeUsage(b, revision); err != nil {
		return err
	}
	b.now.compacted = revision
	b.compacts = true
	return nil
}

// RunCompaction removes what is compacted, as it becomes so, until ctx ends, which is no error. It runs once at a time.
func (s *Store) RunCompaction(ctx context.Context) error {
	for {
		for s.compaction.progress.finished < s.state.Load().compacted {
			begun := time.Now()
			if err := compactChunk(s, ctx, compactionChunkChanges); err != nil {
				if ctx.Err() != nil {
					return nil
				}
				return fmt.Errorf("compaction: %w", err)
			}
			if !rest(ctx, compactionRest*time.Since(begun)) {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-s.compaction.kick:
		}
	}
}

// rest waits, and tells whether ctx still goes on.
func rest(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// WaitCompacted waits until everything below what is now the compacted revision is removed, or ctx ends.
func (s *Store) WaitCompacted(ctx context.Context) error {
	target := s.state.Load().compacted
	for {
		s.compaction.mu.Lock()
		finished, advanced := s.compaction.mu.finished, s.compaction.mu.advanced
		s.compaction.mu.Unlock()
		if finished >= target {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-advanced:
		}
	}
}

// compactChunk takes the walk so many changes further, and to its end if that is not farther.
func compactChunk(s *Store, ctx context.Context, changes int) (err error) {
	if err := failed(s); err != nil {
		return err
	}
	v, err := s.View(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, v.Close()) }()
	pb := s.db.NewBatch()
	defer func() { err = errors.Join(err, pb.Close()) }()
	w := compactionWalk{pb: pb, left: changes, next: s.compaction.progress}
	if w.next.target == 0 {
		w.next.target, w.next.revision = v.floor, w.next.finished
	}
	if err := w.chunk(v); err != nil {
		return err
	}
	if w.ended {
		if err := w.dropHistory(v); err != nil {
			return err
		}
	}
	if err := pb.Set(appendMetaKey(nil, metaCompaction), appendProgress(nil, &w.next), nil); err != nil {
		return err
	}
	if err := pb.Commit(pebble.NoSync); err != nil {
		return err
	}
	s.compaction.progress = w.next
	if !w.ended {
		return nil
	}
	// What is removed before it was ever flushed leaves no trace on disk, and only a flush shows how little is left:
	// who compacts to get below a quota must see that at once.
	if err := s.Flush(); err != nil {
		return err
	}
	s.compaction.finish(w.next.finished)
	return nil
}

// compactionWalk is one chunk of the walk.
type compactionWalk struct {
	pb   *pebble.Batch
	next progress
	// left is how many changes the chunk still takes.
	left  int
	ended bool
	key   []byte
}

func (w *compactionWalk) chunk(v *View) error {
	w.ended = true
	return v.changes(w.next.revision, w.next.target, func(revision, sub int64, c *change) error {
		if revision == w.next.revision && sub < w.next.sub {
			return nil
		}
		if w.left == 0 {
			w.ended = false
			w.next.revision, w.next.sub = revision, sub
			return errEnough
		}
		w.left--
		if c.previous != 0 {
			if err := w.remove(c.key, c.previous); err != nil {
				return err
			}
		}
		if c.tombstone && !c.overwritten && revision < w.next.target {
			return w.remove(c.key, revision)
		}
		return nil
	})
}

func (w *compactionWalk) remove(key []byte, revision int64) error {
	w.key = appendVersionKey(w.key[:0], key, revision)
	return w.pb.Delete(w.key, nil)
}

// dropHistory ends the walk.
func (w *compactionWalk) dropHistory(v *View) error {
	w.next = progress{finished: w.next.target}
	if err := v.dropTimes(w.pb, w.next.finished); err != nil {
		return err
	}
	marks, _ := spaceMark.bounds()
	if err := w.pb.DeleteRange(marks, appendMarkKey(nil, w.next.finished), nil); err != nil {
		return err
	}
	lower, _ := spaceHistory.bounds()
	return w.pb.DeleteRange(lower, appendHistoryKey(nil, w.next.finished, 0), nil)
}
