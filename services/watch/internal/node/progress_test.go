package node

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quoratedb/quorate/services/watch/internal/broadcast"
	"github.com/quoratedb/quorate/services/watch/internal/match"
	"github.com/quoratedb/quorate/services/watch/internal/sessionqueue"
	"github.com/stretchr/testify/require"
)

// Goal: a progress answer comes after everything that it speaks of, queued or still to be read, and not before its
// revision. Method: a request while events are queued, while a watch is behind, and for a future revision.
func TestProgressComesAfterEvents(t *testing.T) {
	bubble(t, 1, nil, func(h *harness) {
		s := h.open(watchOf(1, "k", 2), watchOf(2, "a", 1))
		h.put("k")
		s.Progress(2)
		s.Progress(4)
		seen := map[int64][]int64{}
		d := h.next(s)
		for ; !d.All; d = h.next(s) {
			seen[d.ID] = append(seen[d.ID], revisions(d)...)
		}
		require.Equal(h, map[int64][]int64{1: {2}, 2: {1}}, seen)
		require.EqualValues(h, 2, d.Revision)

		h.nothing(s)
		h.put("other")
		h.nothing(s)
		h.put("k")
		require.Equal(h, []int64{4}, revisions(h.next(s)))
		d = h.next(s)
		require.True(h, d.All)
		require.EqualValues(h, 4, d.Revision)
	})
}

// Goal: a watch added after a request, with a start in the past, holds back the answer, for clients apply it to all
// their watches. Method: the request, then the watch, then Next.
func TestProgressWaitsForNewWatch(t *testing.T) {
	bubble(t, 3, nil, func(h *harness) {
		s := h.open(watchOf(1, "k", 4))
		s.Progress(3)
		require.NoError(h, s.Add(watchOf(2, "a", 1)))
		require.Equal(h, span(1, 3), h.collect(s, 3))
		require.True(h, h.next(s).All)
	})
}

// Goal: a waiting Next answers when the position gets there, with no event for the session. Method: Next waits in a
// goroutine while other keys change; a request ahead of a heartbeat.
func TestProgressWakesNext(t *testing.T) {
	bubble(t, 1, nil, func(h *harness) {
		s := h.open(watchOf(1, "k", 2))
		s.Progress(3)
		told := make(chan int64, 1)
		go func() {
			if d, err := s.Next(h.Context()); err == nil && d.All {
				told <- d.Revision
			}
		}()
		h.put("other")
		require.Empty(h, told)
		h.append("other")
		h.send(&broadcast.Message{Follows: 3, Through: 3})
		require.EqualValues(h, 3, <-told)
		h.put("other")
		require.Empty(h, h.node.mu.awaiting, "nobody waits any more")
	})
}

// Goal: a session without watches is told at once, and requests beyond the limit are answered by the last ones.
// Method: one request, then many more than the limit.
func TestProgressWithoutWatchesAndInExcess(t *testing.T) {
	bubble(t, 1, nil, func(h *harness) {
		s := h.open()
		s.Progress(9)
		require.EqualValues(h, 9, h.next(s).Revision)
		for range 2 * sessionqueue.RequestsMax {
			s.Progress(1)
		}
		for range sessionqueue.RequestsMax {
			require.True(h, h.next(s).All)
		}
		h.nothing(s)
	})
}

// announcements is an announcer that only remembers.
type announcements struct {
	mu struct {
		sync.Mutex
		said []bool
	}
}

func (a *announcements) Announce(watching bool) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.mu.said = append(a.mu.said, watching)
	return nil
}

// said returns what was announced since it was last called.
func (a *announcements) said() []bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	said := a.mu.said
	a.mu.said = nil
	return said
}

func (a *announcements) AnnounceInterval() time.Duration { return time.Second }

func (a *announcements) AlwaysAnnounce() bool { return false }

// Goal: watches that asked for it, and they alone, are told of progress when they heard nothing for the interval, and
// not while they hear something. Method: a minute's interval in made-up time.
func TestProgressNotify(t *testing.T) {
	bubble(t, 1, nil, func(h *harness) {
		ctx, cancel := context.WithCancel(h.Context())
		defer cancel()
		go func() { _ = h.node.Pace(ctx, &announcements{}) }()
		wanting := watchOf(1, "k", 2)
		wanting.ProgressNotify = true
		s := h.open(wanting, watchOf(2, "k", 2))
		took := time.Now()
		h.put("other")
		d, err := s.Next(ctx)
		require.NoError(h, err)
		require.EqualValues(h, 1, d.ID)
		require.EqualValues(h, 2, d.Revision)
		require.Nil(h, d.Batch)
		require.False(h, d.All)
		require.LessOrEqual(h, time.Since(took), 2*time.Minute)

		for range 10 {
			<-time.After(30 * time.Second)
			h.put("k")
			require.NotNil(h, h.next(s).Batch)
			require.NotNil(h, h.next(s).Batch)
		}
		cancel()
		synctest.Wait()
	})
}

// Goal: ingesters hear at once of the first watch, regularly while there are any, once of the end, and then nothing.
// Method: made-up time and a remembering announcer.
func TestAnnouncements(t *testing.T) {
	bubble(t, 1, nil, func(h *harness) {
		ctx, cancel := context.WithCancel(h.Context())
		heard := &announcements{}
		go func() { _ = h.node.Pace(ctx, heard) }()
		<-time.After(10*time.Second + time.Millisecond)
		synctest.Wait()
		require.Empty(h, heard.said())
		s := h.open(watchOf(1, "k", 2))
		synctest.Wait()
		require.Equal(h, []bool{true}, heard.said())
		<-time.After(2 * time.Second)
		synctest.Wait()
		require.Equal(h, []bool{true, true}, heard.said())
		s.Close()
		<-time.After(10*time.Second + time.Millisecond)
		synctest.Wait()
		require.Equal(h, []bool{false}, heard.said())
		cancel()
		synctest.Wait()
	})
}

// held looks at something under the session's lock.
func (s *Session) held() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.mu.watches)
}

// Goal: a progress request is never left unanswered because the position moved just as Next looked. (It was: Next read
// the position before it took the session's lock.) Method: the race, many times over, in real time, for a lock that is hard to get.
func TestProgressIsNotMissedInRace(t *testing.T) {
	const rounds = 20_000
	n := New(Config{
		Logger: slog.New(slog.DiscardHandler), History: &history{}, ProgressInterval: time.Minute, RingBytesMax: 1 << 10,
		SessionDeliveriesMax: 1, SessionBytesMax: 1, DeliveryBytesMax: 1, ReadsMax: 1,
	})
	n.start(0)
	s := n.Open()
	require.NoError(t, s.Add(watchOf(1, "k", rounds+1)))
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	next := make(chan int64)
	var wait sync.WaitGroup
	wait.Go(func() {
		for revision := range next {
			n.change(func(t *match.Table) { t.Match(nil, revision) })
		}
	})
	wait.Go(func() {
		for s.life.Err() == nil {
			s.held() // so that the session's lock is seldom to be had at once
		}
	})
	defer wait.Wait()
	defer s.Close()
	defer close(next)
	spins := 0
	for revision := int64(1); revision <= rounds; revision++ {
		s.Progress(revision)
		next <- revision
		for range rand.IntN(3000) {
			spins++ // as good a moment as any
		}
		d, err := s.Next(ctx)
		require.NoError(t, err, "round %d", revision)
		require.Equal(t, revision, d.Revision)
	}
}
