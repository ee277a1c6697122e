package node

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/watch/internal/broadcast"
	"github.com/stretchr/testify/require"
)

// audience is clients, each with a watch of "k".
type audience struct {
	*harness
	sessions []*Session
}

// listen tests a node at revision 1 that has an audience.
func listen(t *testing.T, clients int, test func(a *audience)) {
	bubble(t, 1, func(c *Config) { c.SessionDeliveriesMax = 100 }, func(h *harness) {
		a := &audience{harness: h}
		for range clients {
			a.sessions = append(a.sessions, h.open(watchOf(1, "k", 2)))
		}
		test(a)
	})
}

// crowded tests a node at revision 9 that has just told an audience which is enough for a pause of as many commits.
func crowded(t *testing.T, test func(a *audience)) {
	listen(t, 12, func(a *audience) {
		a.burst(8)
		a.take(2, 3, 4, 5, 6, 7, 8, 9)
		a.wait()
		test(a)
	})
}

// burst broadcasts so many commits as one message, which waiting clients are told at once.
func (a *audience) burst(commits int) {
	a.Helper()
	a.wait()
	m := &broadcast.Message{Follows: a.node.Position()}
	for range commits {
		m.Commits = append(m.Commits, a.append("k"))
	}
	m.Through = m.Follows + int64(commits)
	a.send(m)
	require.True(a, a.told(), "what comes after a quiet time is told at once")
}

// wait has the clients look for a delivery, find none, and begin to wait.
func (a *audience) wait() {
	for _, s := range a.sessions {
		_, _, err := s.take()
		require.NoError(a, err)
	}
}

// waiting is how many deliveries wait for a session's client.
func (h *harness) waiting(s *Session) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mu.queue.Len()
}

// told tells whether all have a delivery, and fails if only some do.
func (a *audience) told() bool {
	a.Helper()
	one := a.waiting(a.sessions[0]) > 0
	for _, s := range a.sessions {
		require.Equal(a, one, a.waiting(s) > 0)
	}
	return one
}

// take takes a delivery of each client, which must be of these revisions.
func (a *audience) take(want ...int64) {
	a.Helper()
	for _, s := range a.sessions {
		require.Equal(a, want, revisions(a.next(s)))
	}
}

// Goal: what is written while many are woken for what was before reaches each as one delivery, in order, and not later than the longest
// pause; after it all is at once again. Method: puts in fake time.
func TestCommitsGatherWhileManyAreWoken(t *testing.T) {
	crowded(t, func(a *audience) {
		a.put("k")
		a.put("other")
		a.put("k")
		require.False(a, a.told())
		require.EqualValues(a, 9, a.node.Position(), "what is not matched is not reached")
		<-time.After(pauseMax)
		synctest.Wait()
		require.EqualValues(a, 12, a.node.Position())
		a.take(10, 12)
		require.False(a, a.told())
		<-time.After(pauseMax)
		a.put("k")
		require.True(a, a.told())
	})
}

// Goal: few are told at once, however fast several write. Method: two clients, two puts a message, without a pause.
func TestFewAreToldAtOnce(t *testing.T) {
	listen(t, 2, func(a *audience) {
		for revision := int64(2); revision < 40; revision += 2 {
			a.burst(2)
			a.take(revision, revision+1)
		}
	})
}

// Goal: many are told at once of what one writes who waits for what became of it ("with ten streams a controller that reads its own events
// makes 650 rounds a second, where it made 1,600"). Method: many clients, a put after the other.
func TestLoneWriterIsToldAtOnce(t *testing.T) {
	listen(t, 100, func(a *audience) {
		for revision := int64(2); revision < 20; revision++ {
			a.wait()
			a.put("k")
			require.True(a, a.told())
			a.take(revision)
		}
	})
}

// Goal: what comes in a pause and does not go together is dealt with one after the other once it is over, and what is known is passed
// over. Method: a heartbeat and a repetition, then revisions that have to be read, as a notice and after a gap.
func TestWhatDoesNotFollowWaitsInOrder(t *testing.T) {
	for name, next := range map[string]func(h *harness) *broadcast.Message{
		"notice": func(h *harness) *broadcast.Message {
			return &broadcast.Message{Follows: 10, Through: h.append("k").Revision}
		},
		"gap": func(h *harness) *broadcast.Message {
			h.append("k")
			last := h.append("k")
			return &broadcast.Message{Follows: last.Revision - 1, Through: last.Revision, Commits: []*consensusv1.Commit{last}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			crowded(t, func(a *audience) {
				tenth := a.put("k")
				a.send(&broadcast.Message{Follows: tenth, Through: tenth})
				a.send(&broadcast.Message{Follows: tenth - 1, Through: tenth, Commits: a.history.commits[tenth-1:]})
				a.send(next(a.harness))
				require.False(a, a.told())
				<-time.After(pauseMax)
				synctest.Wait()
				require.EqualValues(a, len(a.history.commits), a.node.Position())
				for revision := tenth; revision <= a.node.Position(); revision++ {
					a.take(revision)
				}
				require.False(a, a.told())
			})
		})
	}
}

// Goal: a node that stops does not wait for the end of a pause. Method: stop it in one.
func TestStopWhileCommitsWait(t *testing.T) {
	crowded(t, func(a *audience) {
		a.put("k")
		begin := time.Now()
		a.stop()
		_, err := a.sessions[0].Next(context.Background())
		require.Error(a, err)
		require.Zero(a, time.Since(begin))
	})
}

// Goal: the pause grows with who was woken and with what was written, from nothing to the longest, and is none where each is told much.
// Method: some steps.
func TestPauseGrowsWithWhoWasWoken(t *testing.T) {
	require.Zero(t, pauseAfter(0, 0, 0))
	require.Zero(t, pauseAfter(1, 1000, 1000), "one commit")
	require.Zero(t, pauseAfter(8, 16, 2), "few clients")
	require.Equal(t, 4*(clientPause-deliveryTime), pauseAfter(8, 4, 4))
	require.Equal(t, 3*commitPause, pauseAfter(3, 30, 10))
	require.Equal(t, pauseMax, pauseAfter(1000, 1000, 1000))
	require.Zero(t, pauseAfter(8, 8000, 10), "each is told much")
}
