package node

import (
	"errors"
	"testing"
	"time"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/watch/internal/broadcast"
	"github.com/stretchr/testify/require"
)

// collect takes deliveries until every revision up to one is told, and returns those of the events.
func (h *harness) collect(s *Session, through int64) []int64 {
	h.Helper()
	var found []int64
	for told := int64(0); told < through; {
		d := h.next(s)
		found = append(found, revisions(d)...)
		told = d.Revision
	}
	return found
}

// span returns the numbers from one to another.
func span(from, to int64) []int64 {
	var all []int64
	for ; from <= to; from++ {
		all = append(all, from)
	}
	return all
}

// Goal: a client that takes nothing holds no more than its queue, slows nobody, and still gets everything when it
// takes again, first from memory alone. Method: a stuck and a quick session on one key, more commits than the queue holds.
func TestStuckSessionIsBoundedAndCatchesUp(t *testing.T) {
	bubble(t, 1, nil, func(h *harness) {
		stuck, quick := h.open(watchOf(1, "k", 2)), h.open(watchOf(1, "k", 2))
		for revision := int64(2); revision <= 50; revision++ {
			h.put("k")
			require.Equal(h, []int64{revision}, revisions(h.next(quick)))
		}
		require.Equal(h, h.node.cfg.SessionDeliveriesMax, stuck.mu.queue.Len())
		require.Equal(h, 1, h.behind())
		require.Equal(h, span(2, 50), h.collect(stuck, 50))
		require.Empty(h, h.history.requests, "the ring holds it all")
		require.Zero(h, h.behind())
		h.put("k")
		require.Equal(h, []int64{51}, revisions(h.next(stuck)))
	})
}

// Goal: the bytes that a stuck session holds are bounded too, but one large delivery fits. Method: a limit below one event.
func TestSessionBytesAreBounded(t *testing.T) {
	bubble(t, 1, func(c *Config) { c.SessionBytesMax = 10 }, func(h *harness) {
		s := h.open(watchOf(1, "k", 2))
		h.put("k")
		h.put("k")
		require.Equal(h, 1, s.mu.queue.Len())
		require.Equal(h, span(2, 3), h.collect(s, 3))
	})
}

// Goal: what a slow watch missed and the ring no longer holds comes from history. Method: a ring of a few commits.
func TestSlowWatchReadsHistory(t *testing.T) {
	bubble(t, 1, func(c *Config) { c.RingBytesMax = 2000 }, func(h *harness) {
		s := h.open(watchOf(1, "k", 2))
		for range 100 {
			h.put("k")
		}
		require.Equal(h, span(2, 101), h.collect(s, 101))
		require.NotEmpty(h, h.history.requests)
	})
}

// Goal: a watch that fell behind and finds its revisions compacted is told so and ends, and the others of the session
// go on. Method: a stuck session, a small ring, a compaction.
func TestSlowWatchBehindCompaction(t *testing.T) {
	bubble(t, 1, func(c *Config) { c.RingBytesMax = 2000 }, func(h *harness) {
		s := h.open(watchOf(1, "k", 2), watchOf(2, "other", 2))
		for range 100 {
			h.put("k")
		}
		h.history.compacted = 90
		for range h.node.cfg.SessionDeliveriesMax {
			require.Len(h, h.next(s).Batch.Events(), 1)
		}
		d := h.next(s)
		require.EqualValues(h, 1, d.ID)
		require.EqualValues(h, 90, d.CompactedRevision)
		require.Nil(h, d.Batch)
		require.NoError(h, s.Add(watchOf(1, "k", 102)), "the id is free again")
		h.put("k", "other")
		require.Len(h, h.next(s).Batch.Events(), 1)
		require.Len(h, h.next(s).Batch.Events(), 1)
	})
}

// Goal: a watch that asks for compacted revisions is told so even if they are still in memory; the compacted revision
// itself may be asked for. Method: commits in the ring, a compaction, watches from below and at it.
func TestStartBelowCompaction(t *testing.T) {
	bubble(t, 1, nil, func(h *harness) {
		keep := h.open(watchOf(1, "k", 2))
		for range 3 {
			h.put("k")
		}
		h.collect(keep, 4)
		h.history.compacted = 3
		d := h.next(h.open(watchOf(1, "k", 2)))
		require.EqualValues(h, 3, d.CompactedRevision)
		require.Equal(h, span(3, 4), h.collect(h.open(watchOf(1, "k", 3)), 4))
	})
}

// Goal: history that cannot be read for a while delays a watch and loses nothing. Method: two failures, then success.
func TestHistoryFailsForAWhile(t *testing.T) {
	bubble(t, 5, nil, func(h *harness) {
		failures := 2
		h.history.fail = func() error {
			if failures--; failures >= 0 {
				return errors.New("disk on fire")
			}
			return nil
		}
		require.Equal(h, span(1, 5), h.collect(h.open(watchOf(1, "a", 1)), 5))
		require.Negative(h, failures)
	})
}

// Goal: what the broadcast lost is read from history: a lost batch is noticed at the next one, a lost tail at the next
// heartbeat, and a batch that came without its commits at once. Method: messages left out by hand.
func TestGapsAreFilled(t *testing.T) {
	bubble(t, 1, nil, func(h *harness) {
		s := h.open(watchOf(1, "k", 2))
		h.append("k") // lost
		h.put("k")
		require.Equal(h, span(2, 3), h.collect(s, 3))
		h.append("k") // lost
		h.send(&broadcast.Message{Follows: 4, Through: 4})
		require.Equal(h, span(4, 4), h.collect(s, 4))
		h.append("k")
		h.append("k")
		h.send(&broadcast.Message{Follows: 4, Through: 6})
		require.Equal(h, span(5, 6), h.collect(s, 6))
		h.send(&broadcast.Message{Follows: 2, Through: 3, Commits: h.history.commits[2:3]}) // late
		h.send(&broadcast.Message{Follows: 3, Through: 6, Commits: h.history.commits[3:6]}) // doubled
		h.nothing(s)
	})
}

// Goal: a gap that nobody wants to know of costs no read, and one that begins before a watch's start only the rest.
// Method: a heartbeat far ahead, without watches and with one that starts near its end.
func TestGapsThatNobodyWantsAreSkipped(t *testing.T) {
	bubble(t, 1, nil, func(h *harness) {
		for range 100 {
			h.append("k")
		}
		h.send(&broadcast.Message{Follows: 50, Through: 50})
		require.EqualValues(h, 50, h.node.Position())
		require.Empty(h, h.history.requests)
		s := h.open(watchOf(1, "k", 99))
		h.send(&broadcast.Message{Follows: 101, Through: 101})
		require.Equal(h, span(99, 101), h.collect(s, 101))
		require.Len(h, h.history.requests, 1)
		require.EqualValues(h, 99, h.history.requests[0].FromRevision)
	})
}

// Goal: over a long gap each watch reads its own part, and over a compacted one each learns for itself what it lost.
// Method: a gap over the limit; then one below it whose begin is compacted; a watch of the past and one of the future.
func TestLongAndCompactedGaps(t *testing.T) {
	bubble(t, 1, nil, func(h *harness) {
		s := h.open(watchOf(1, "k", 2))
		for range 10_000 + 1 { // more than is read as a whole
			h.append("k")
		}
		last := int64(len(h.history.commits))
		h.send(&broadcast.Message{Follows: last, Through: last})
		require.Equal(h, last, h.node.Position())
		require.Empty(h, h.history.requests)
		require.Equal(h, span(2, last), h.collect(s, last))
		require.Equal(h, "k", string(h.history.requests[0].Key))

		later := h.open(watchOf(1, "k", last+50))
		for range 49 {
			h.append("k")
		}
		h.history.compacted = last + 40
		h.send(&broadcast.Message{Follows: last + 49, Through: last + 49})
		require.Equal(h, last+40, h.next(s).CompactedRevision)
		h.put("k")
		require.Equal(h, []int64{last + 50}, revisions(h.next(later)))
	})
}

// Goal: a gap of few but large revisions does not keep the node silent while it reads gigabytes: it reads a part as a whole, and each
// watch the rest of its own. Method: a gap of more bytes than that, and what was asked for; the watch misses nothing.
func TestLargeGapIsReadInPart(t *testing.T) {
	bubble(t, 1, nil, func(h *harness) {
		s := h.open(watchOf(1, "k", 2))
		value := make([]byte, 1<<20)   // one for all
		whole := 32 << 20 / len(value) // what is read as a whole
		for range 2 * whole {
			h.append("k").Events[0].Kv.Value = value
		}
		last := int64(len(h.history.commits))
		h.send(&broadcast.Message{Follows: last, Through: last})
		require.Equal(h, last, h.node.Position())
		asked := len(h.history.requests)
		reads := 0
		for reads < asked && len(h.history.requests[reads].Key) == 0 {
			reads++
		}
		require.Equal(h, whole, reads, "reads of one revision each")
		require.Equal(h, span(2, last), h.collect(s, last))
	})
}

// Goal: a session opened and watching before the node runs is served once it does. Method: Add on a new node, then Run.
func TestWatchBeforeRun(t *testing.T) {
	bubble(t, 3, nil, func(h *harness) {
		early := New(h.node.cfg)
		s := early.Open()
		require.NoError(h, s.Add(watchOf(1, "a", 2)))
		h.nothing(s)
		early.start(3)
		require.Equal(h, span(2, 3), h.collect(s, 3))
		early.Stop()
		_, err := s.Next(h.Context())
		require.ErrorIs(h, err, errdefs.ErrStopped)
	})
}

// Goal: a watch from a past revision gets its recent history in as few answers as the size allows ("two revisions came as two
// answers"). Method: watches from revisions that lie in the ring, and partly before it.
func TestRecentHistoryComesInOneAnswer(t *testing.T) {
	bubble(t, 1, nil, func(h *harness) {
		for range 5 {
			h.put("k")
		}
		require.Equal(h, span(2, 6), revisions(h.next(h.open(watchOf(1, "k", 2)))))
		require.Equal(h, span(5, 6), revisions(h.next(h.open(watchOf(1, "k", 5)))))
	})
	bubble(t, 5, nil, func(h *harness) {
		h.put("k")
		h.put("k")
		got := revisions(h.next(h.open(watchOf(1, "k", 2))))
		require.EqualValues(h, 7, got[len(got)-1])
	})
}

// Goal: a node that was reading what it had missed goes on with the store that replaced the one it read from, though that never
// gets so far. Method: a gap to a revision that is not there, then the other store; what is put there is told at once, and the
// rest of the message with the gap is not.
func TestReadsOfAReplacedStoreAreGivenUp(t *testing.T) {
	bubble(t, 3, nil, func(h *harness) {
		h.open(watchOf(1, "a", 4))
		h.send(&broadcast.Message{Follows: 100, Through: 101, Commits: []*consensusv1.Commit{{Revision: 101}}})
		h.node.Restart(3)
		<-time.After(2 * time.Second) // of the bubble's time
		require.EqualValues(h, 3, h.node.Position())
		s := h.open(watchOf(1, "a", 4))
		require.EqualValues(h, 4, h.put("a"))
		require.Equal(h, span(4, 4), revisions(h.next(s)))
	})
}
