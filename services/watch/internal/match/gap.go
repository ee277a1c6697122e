package match

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/watch/internal/memorysize"
)

// Retries of a read of history start after retryMin and double up to retryMax.
const (
	retryMin = 20 * time.Millisecond
	retryMax = time.Second
)

// gapRevisionsMax is the longest gap that the node reads as a whole. Over a longer one each watch reads for itself,
// which is more reads, but only of its own range, and holds up nobody else.
const gapRevisionsMax = 10_000

// gapBytesMax is how much of a gap the node reads as a whole, by weight: 10,000 revisions may be gigabytes, and until they are read the
// node tells nobody anything. What is left then each watch reads for itself.
const gapBytesMax = 32 << 20

// bridge moves the position to a revision, by whichever way loses no event for any watch.
func (n *Node) bridge(ctx context.Context, to int64) error {
	if to <= n.Position() || n.skip(to) {
		return nil
	}
	n.counts.gaps.Add(1)
	if to-n.Position() > gapRevisionsMax {
		n.strand(to)
		return nil
	}
	return n.fill(ctx, to)
}

// Reach brings the position to a revision, whatever the source brings meanwhile. It fails if ctx ends.
func (n *Node) Reach(ctx context.Context, revision int64) error {
	select {
	case <-n.ready:
		return n.bridge(ctx, revision)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// skip moves the position to a revision, or as near to it as it can without passing one that a live watch wants, with
// no look at what lies between: watches that are behind read for themselves. It tells whether it got there.
func (n *Node) skip(to int64) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	wanted := to + 1
	for s := range n.mu.sessions {
		// Once one wants the next revision there is nothing to skip: most nodes' first live watch says so.
		if wanted = s.wanted(wanted, n.Position()+1); wanted <= n.Position()+1 {
			break
		}
	}
	if wanted-1 > n.Position() {
		n.mu.ring.reset(wanted - 1)
		n.moveLocked(wanted - 1)
	}
	return n.Position() >= to
}

// wanted returns the lowest revision at which a live watch of the session began or will begin, at most lowest, and looks no
// further once that is at or below enough.
func (s *Session) wanted(lowest, enough int64) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, w := range s.mu.watches {
		if lowest <= enough {
			break
		}
		if w.group != nil {
			lowest = min(lowest, w.next)
		}
	}
	return lowest
}

// fill reads what lies between the position and a revision from history, however long it takes, and matches it; of a gap
// that is too large it reads a part. It ends early if the store turns out to be another one.
func (n *Node) fill(ctx context.Context, to int64) error {
	read := 0 // bytes
	era := n.era.Load()
	for wait := retryMin; n.Position() < to && n.era.Load() == era; {
		resp, err := n.cfg.History.History(ctx, &consensusv1.HistoryRequest{
			FromRevision: n.Position() + 1,
			ToRevision:   to,
			MaxBytes:     int64(n.cfg.DeliveryBytesMax),
			Parts:        true,
		})
		n.counts.reads.Add(1)
		switch {
		case ctx.Err() != nil:
			return fmt.Errorf("read missed commits: %w", ctx.Err())
		case errors.Is(err, errdefs.ErrCompacted):
			n.cfg.Log.Warn("missed commits are compacted", "after_revision", n.Position(), "to_revision", to)
			n.strand(to)
			return nil
		case err == nil && resp.NextSub != 0:
			// The last commit is read from its beginning, to keep of it only what somebody wants.
			last := len(resp.Commits) - 1
			n.match(resp.Commits[:last], resp.ThroughRevision)
			if err := n.sift(ctx, resp.Commits[last].Revision, era); err != nil {
				return err
			}
			wait = retryMin
			continue
		case err == nil && resp.ThroughRevision > n.Position():
			n.match(resp.Commits, resp.ThroughRevision)
			for _, commit := range resp.Commits {
				read += memorysize.Commit(commit)
			}
			if read >= gapBytesMax && n.era.Load() == era {
				n.strand(to)
				return nil
			}
			wait = retryMin
			continue
		}
		n.cfg.Log.Warn("cannot read missed commits yet", "after_revision", n.Position(), "to_revision", to, "error", err)
		if err := pause(ctx, wait); err != nil {
			return fmt.Errorf("read missed commits: %w", err)
		}
		wait = min(2*wait, retryMax)
	}
	return nil
}

// strand moves the position over a gap that is too long, or that history no longer holds. The live watches that it
// concerns are put behind at the gap's start, to read for themselves, and to find for themselves what is compacted.
func (n *Node) strand(to int64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	after := n.Position()
	if to <= after {
		return // it was reached another way meanwhile
	}
	for s := range n.mu.sessions {
		for _, w := range s.live() {
			if w.next <= to {
				n.putBehindLocked(w, max(w.next, after+1))
			}
		}
	}
	n.mu.ring.reset(to)
	n.moveLocked(to)
}

// live returns the live watches of the session.
func (s *Session) live() []*watch {
	s.mu.Lock()
	defer s.mu.Unlock()
	var live []*watch
	for _, w := range s.mu.watches {
		if w.group != nil {
			live = append(live, w)
		}
	}
	return live
}

func pause(ctx context.Context, wait time.Duration) error {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
