package match

import (
	"context"
	"errors"
	"fmt"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// A revision may have a million events. It is one step all the same: watches get all of a revision at once. So the node reads
// it in parts, and holds of each what a watch wants: what nobody does takes no memory.

// siftFailuresMax is how many reads of one part may fail in turn, which takes some eight seconds: longer than an election. A part that
// cannot be read at all must not keep the node from all revisions behind it.
const siftFailuresMax = 12

// sift moves the position over a revision whose events are too many to be held. The position must be right before it. What cannot be
// read each watch reads for itself. It ends early if the store turns out to be another one.
func (n *Node) sift(ctx context.Context, revision, era int64) error {
	known := n.liveNow()
	kept := &consensusv1.Commit{Revision: revision}
	sub, failures := int64(0), 0
	for wait := retryMin; n.era.Load() == era; {
		resp, err := n.cfg.History.History(ctx, &consensusv1.HistoryRequest{
			FromRevision: revision, ToRevision: revision, Parts: true, FromSub: sub,
		})
		n.counts.reads.Add(1)
		switch {
		case ctx.Err() != nil:
			return fmt.Errorf("read a large commit: %w", ctx.Err())
		case errors.Is(err, errdefs.ErrCompacted):
			n.cfg.Log.Warn("a large commit is compacted before it was read", "revision", revision)
			n.strand(revision)
			return nil
		case err != nil && failures == siftFailuresMax:
			n.cfg.Log.Error("cannot read a large commit; each watch reads it for itself", "revision", revision, "from_event", sub, "error", err)
			n.strand(revision)
			return nil
		case err != nil:
			failures++
			n.cfg.Log.Warn("cannot read a large commit yet", "revision", revision, "error", err)
			if err := pause(ctx, wait); err != nil {
				return fmt.Errorf("read a large commit: %w", err)
			}
			wait = min(2*wait, retryMax)
			continue
		}
		for _, part := range resp.Commits {
			n.keepWanted(kept, part)
		}
		if sub = resp.NextSub; sub == 0 {
			n.settle(kept, known, era)
			return nil
		}
		wait, failures = retryMin, 0
	}
	return nil
}

// liveNow returns the watches that are live.
func (n *Node) liveNow() map[*watch]bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	live := make(map[*watch]bool)
	for s := range n.mu.sessions {
		for _, w := range s.live() {
			live[w] = true
		}
	}
	return live
}

// keepWanted adds to a commit what of a part of it concerns a live watch.
func (n *Node) keepWanted(kept, part *consensusv1.Commit) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if part.Tree != nil {
		kept.Tree = part.Tree
	}
	for _, event := range part.Events {
		if len(n.mu.index.match(event.Kv.Key)) > 0 {
			kept.Events = append(kept.Events, event)
		}
	}
}

// settle matches what was kept of a commit. A watch that turned live while it was read may miss some of it: it reads for itself.
func (n *Node) settle(kept *consensusv1.Commit, known map[*watch]bool, era int64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.era.Load() != era || kept.Revision <= n.Position() {
		return
	}
	for s := range n.mu.sessions {
		for _, w := range s.live() {
			if !known[w] && w.next <= kept.Revision {
				n.putBehindLocked(w, kept.Revision)
			}
		}
	}
	n.matchAllLocked([]*consensusv1.Commit{kept}, kept.Revision)
	n.mu.ring.reset(kept.Revision) // it must not tell later watches that this was all
}
