package match

import (
	"errors"
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

// gapRevisionsMax is the longest gap that is read as a whole. Over a longer one each watch reads for itself, which is more
// reads, but only of its own range, and holds up nobody else.
const gapRevisionsMax = 10_000

// gapBytesMax is how much of a gap is read as a whole, by weight: 10,000 revisions may be gigabytes, and until they are read
// nobody is told anything. What is left then each watch reads for itself.
const gapBytesMax = 32 << 20

// Gap is the way over what the broadcast did not bring, where a live watch may want it: reads of history, one after the
// other. It says what to read next (Request), and takes in what came of it (Answer).
type Gap struct {
	table   *Table
	to, era int64
	read    int // bytes
	wait    time.Duration
	// large is the revision that is being read in parts, nil while there is none.
	large *large
}

// Outcome is what an answer of history came to.
type Outcome int

const (
	// Read is one that was taken in.
	Read Outcome = iota
	// Failed is a read that failed and is made again, after Gap.Wait.
	Failed
	// Compacted says that what is missing is gone. Each watch that it concerns finds that out for itself.
	Compacted
	// Unreadable says that a large revision cannot be read for all; each watch reads it for itself.
	Unreadable
)

// Bridge moves the position to a revision, by whichever way loses no event for any watch. It returns what has to be read for
// that, nil for nothing.
func (t *Table) Bridge(to int64) *Gap {
	if to <= t.position || t.skip(to) {
		return nil
	}
	t.gaps++
	if to-t.position > gapRevisionsMax {
		t.strand(to)
		return nil
	}
	return &Gap{table: t, to: to, era: t.era, wait: retryMin}
}

// skip moves the position to a revision, or as near to it as it can without passing one that a live watch wants, with
// no look at what lies between: watches that are behind read for themselves. It tells whether it got there.
func (t *Table) skip(to int64) bool {
	if wanted := t.wanted(to + 1); wanted-1 > t.position {
		t.reset(wanted - 1)
	}
	return t.position >= to
}

// wanted returns the lowest revision at which a live watch began or will begin, at most lowest. Once one wants the next
// revision there is nothing to skip: most nodes' first live watch says so.
func (t *Table) wanted(lowest int64) int64 {
	for g := range t.groups {
		for _, w := range g.members {
			if lowest = min(lowest, w.Next); lowest <= t.position+1 {
				return lowest
			}
		}
	}
	return lowest
}

// strand moves the position over a gap that is too long, or that history no longer holds. The live watches that it
// concerns are put behind at the gap's start, to read for themselves, and to find for themselves what is compacted.
func (t *Table) strand(to int64) {
	if to <= t.position {
		return // it was reached another way meanwhile
	}
	for _, w := range t.liveBefore(to) {
		t.putBehind(w, max(w.Next, t.position+1))
	}
	t.reset(to)
}

// liveBefore returns the live watches that want something at or before a revision.
func (t *Table) liveBefore(revision int64) (live []*Watch) {
	for g := range t.groups {
		for _, w := range g.members {
			if w.Next <= revision {
				live = append(live, w)
			}
		}
	}
	return live
}

// Request returns what is to be read next, nil if there is nothing more: the gap is bridged, or the store turned out to be
// another one.
func (g *Gap) Request() *consensusv1.HistoryRequest {
	t := g.table
	if t.era != g.era || t.position >= g.to {
		return nil
	}
	if g.large != nil && g.large.kept.Revision <= t.position {
		g.large = nil // it was reached another way meanwhile
	}
	if g.large != nil {
		return g.large.request()
	}
	return &consensusv1.HistoryRequest{
		FromRevision: t.position + 1, ToRevision: g.to, MaxBytes: int64(t.deliveryBytesMax), Parts: true,
	}
}

// Answer takes in what came of the last request.
func (g *Gap) Answer(resp *consensusv1.HistoryResponse, err error) Outcome {
	if g.table.era != g.era {
		return Read // of another store: there is no next request
	}
	if g.large != nil {
		return g.answerPart(resp, err)
	}
	t := g.table
	switch {
	case errors.Is(err, errdefs.ErrCompacted):
		t.strand(g.to)
		return Compacted
	case err == nil && resp.NextSub != 0:
		// The last commit is read from its beginning, to keep of it only what somebody wants.
		last := len(resp.Commits) - 1
		t.Match(resp.Commits[:last], resp.ThroughRevision)
		g.large = newLarge(t, resp.Commits[last].Revision)
	case err == nil && resp.ThroughRevision > t.position:
		t.Match(resp.Commits, resp.ThroughRevision)
		for _, commit := range resp.Commits {
			g.read += memorysize.Commit(commit)
		}
		if g.read >= gapBytesMax {
			t.strand(g.to)
		}
	default:
		return Failed
	}
	g.wait = retryMin
	return Read
}

// answerPart is Answer for a part of a large revision.
func (g *Gap) answerPart(resp *consensusv1.HistoryResponse, err error) Outcome {
	t, l := g.table, g.large
	switch {
	case errors.Is(err, errdefs.ErrCompacted):
		g.large = nil
		t.strand(l.kept.Revision)
		return Compacted
	case err != nil && l.failures == largeFailuresMax:
		g.large = nil
		t.strand(l.kept.Revision)
		return Unreadable
	case err != nil:
		l.failures++
		return Failed
	}
	if l.take(t, resp) {
		g.large = nil
		l.settle(t)
	}
	g.wait = retryMin
	return Read
}

// Wait returns how long to wait before a read that failed is made again: each time longer.
func (g *Gap) Wait() time.Duration {
	wait := g.wait
	g.wait = min(2*wait, retryMax)
	return wait
}
