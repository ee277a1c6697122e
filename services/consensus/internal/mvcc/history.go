package mvcc

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// treeSub is the sub-revision of what a revision did to the tree: it comes after all changes of keys.
const treeSub = math.MaxUint32

// historyBytesDefault is where History stops when its caller sets no limit of its own.
const historyBytesDefault = 4 << 20

// History returns what the revisions from up to and including to did to the keys of [key, rangeEnd), read as in
// requests; an empty key stands for all keys. A to of 0, or above the newest revision, stands for the newest. It stops after the commit
// that passes maxBytes (0 for a default), and returns the last revision that it looked at: all wanted events up to there
// are in the commits, so that the next call goes on behind it. Commits without a wanted event are left out.
//
// It fails with errdefs.ErrCompacted if from is below the compacted revision. The compacted revision itself can still be
// read, but what its events replaced cannot.
func (s *Store) History(ctx context.Context, from, to int64, key, rangeEnd []byte, maxBytes int64) (commits []*consensusv1.Commit, through int64, err error) {
	h := historian{span: NewSpan(key, rangeEnd), left: maxBytes}
	if len(key) == 0 {
		h.span = Span{unbounded: true}
	}
	return readHistory(s, ctx, from, to, &h)
}

// HistoryParts is History of all keys, where a commit whose events are too many to be held in memory comes in parts: if next is
// not 0, the last commit goes on with that sub-revision, and through is before it. From is where to begin in the first
// revision.
func (s *Store) HistoryParts(ctx context.Context, from, sub, to, maxBytes int64) (commits []*consensusv1.Commit, through, next int64, err error) {
	h := &historian{span: Span{unbounded: true}, sub: sub, left: maxBytes, parts: true}
	commits, through, err = readHistory(s, ctx, from, to, h)
	return commits, through, h.next, err
}

func readHistory(s *Store, ctx context.Context, from, to int64, h *historian) (commits []*consensusv1.Commit, through int64, err error) {
	v, err := s.View(ctx)
	if err != nil {
		return nil, 0, err
	}
	defer func() { err = errors.Join(err, v.Close()) }()
	if from < v.floor {
		return nil, 0, fmt.Errorf("history from %d, compacted up to %d: %w", from, v.floor, errdefs.ErrCompacted)
	}
	if to <= 0 || to > v.revision {
		to = v.revision
	}
	if from > to {
		return nil, to, nil
	}
	h.v, h.first, h.through = v, from, to
	if h.left <= 0 {
		h.left = historyBytesDefault
	}
	err = v.changesFrom(ctx, from, h.sub, to, h.take)
	return h.commits, h.through, err
}

// changes calls fn with the changes of the revisions from up to and including to, in order, until it returns errEnough.
// The change is fn's until it returns.
func (v *View) changes(from, to int64, fn func(revision, sub int64, c *change) error) error {
	return v.changesFrom(context.Background(), from, 0, to, fn)
}

// changesFrom is changes without those of the first revision that come before a sub-revision.
func (v *View) changesFrom(ctx context.Context, from, sub, to int64, fn func(revision, sub int64, c *change) error) error {
	var c change
	err := v.each(appendHistoryKey(nil, from, sub), appendHistoryKey(nil, to+1, 0), attentive(ctx, func(k, b []byte) error {
		revision, sub, err := splitHistoryKey(k)
		if err != nil {
			return err
		}
		if err := decodeChange(b, &c); err != nil {
			return err
		}
		return fn(revision, sub, &c)
	}))
	if errors.Is(err, errEnough) {
		return nil
	}
	return err
}

// historian turns changes into commits.
type historian struct {
	v       *View
	span    Span
	left    int64
	through int64
	slab    slab
	commits []*consensusv1.Commit
	// sub is where it begins in the first revision.
	first, sub int64
	// parts has a commit end where its events pass Config.commitEventsMax or commitBytesMax; it goes on with next. bytes is what the
	// last one's take.
	parts bool
	next  int64
	bytes int
}

func (h *historian) take(revision, sub int64, c *change) error {
	n := len(h.commits)
	current := n > 0 && h.commits[n-1].GetRevision() == revision
	if !current && h.left <= 0 {
		h.through = revision - 1
		return errEnough
	}
	if c.tree != nil {
		return h.takeTree(revision, c.tree, current)
	}
	if !h.span.Contains(c.key) {
		return nil
	}
	event, err := h.event(revision, c)
	if err != nil {
		return err
	}
	if !current {
		h.commits = append(h.commits, &consensusv1.Commit{Revision: revision})
		h.bytes = 0
		n++
	}
	commit := h.commits[n-1]
	commit.Events = append(commit.Events, event)
	size := eventBytes + 2*len(c.key) + len(event.GetKv().GetValue()) + len(event.GetPrevKv().GetValue())
	h.left -= int64(size)
	h.bytes += size
	if h.parts && (len(commit.Events) > h.v.s.opts.commitEventsMax || h.bytes > commitBytesMax) {
		h.through, h.next = revision-1, sub+1
		return errEnough
	}
	return nil
}

// takeTree adds what a revision did to the tree, at the end of it, if it has an event that is wanted or concerns a path
// that is.
func (h *historian) takeTree(revision int64, encoded []byte, current bool) error {
	tree := &consensusv1.TreeChange{}
	if err := proto.Unmarshal(encoded, tree); err != nil {
		return fmt.Errorf("history of the tree at revision %d: %w: %w", revision, errBadRecord, err)
	}
	rest := h.sub > 0 && revision == h.first // its events were in the part before
	wanted := current || rest || tree.GetNode() != nil && h.span.Contains(tree.GetNode().GetPath()) ||
		slices.ContainsFunc(tree.GetRemoved(), h.span.Contains)
	if !wanted {
		return nil
	}
	if !current {
		h.commits = append(h.commits, &consensusv1.Commit{Revision: revision})
	}
	h.commits[len(h.commits)-1].Tree = tree
	h.left -= int64(eventBytes + len(encoded))
	return nil
}

func (h *historian) event(revision int64, c *change) (*consensusv1.Event, error) {
	event := &consensusv1.Event{}
	var r Row
	if c.tombstone {
		event.Type = consensusv1.Event_DELETE
		event.Kv = h.slab.keyValue()
		event.Kv.Key, event.Kv.ModRevision = h.slab.copy(c.key), revision
	} else if c.overwritten {
		r = Row{Key: c.key, Revision: revision, Record: c.record}
		event.Kv = h.slab.toKeyValue(&r, true)
	} else {
		live, err := h.v.Get(c.key, revision, &r)
		if err == nil && (!live || r.Revision != revision) {
			err = fmt.Errorf("history of %q at revision %d without its version: %w", c.key, revision, errBadRecord)
		}
		if err != nil {
			return nil, err
		}
		event.Kv = h.slab.toKeyValue(&r, true)
	}
	// What the events of the compacted revision replaced is compacted, whether it is removed yet or not.
	if c.previous == 0 || c.recreated || revision <= h.v.floor {
		return event, nil
	}
	live, err := h.v.Get(c.key, c.previous, &r)
	if err == nil && (!live || r.Revision != c.previous) {
		err = fmt.Errorf("history of %q at revision %d without version %d before it: %w", c.key, revision, c.previous, errBadRecord)
	}
	if err != nil {
		return nil, err
	}
	event.PrevKv = h.slab.toKeyValue(&r, true)
	return event, nil
}

// SetTreeChange records what the command at hand does to the tree, which may not change any more.
func (b *Batch) SetTreeChange(done *consensusv1.TreeChange) error {
	encoded, err := proto.MarshalOptions{Deterministic: true}.Marshal(done)
	if err != nil {
		return fmt.Errorf("encode a change of the tree: %w", err)
	}
	b.tree = done
	b.now.happened(hashTreeChange(done))
	b.w.valueBuf = appendChange(b.w.valueBuf[:0], &change{tree: encoded})
	b.now.usage.spent += historyUsage(len(encoded))
	b.w.set(appendHistoryKey(b.w.keyBuf[:0], b.Next(), treeSub), b.w.valueBuf)
	return nil
}
