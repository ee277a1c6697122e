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

// audience is clients that are enough for a pause, each with a watch of "k".
type audience struct {
	*harness
	sessions []*Session
}

// crowded tests a node at revision 3, which it has just told an audience of.
func crowded(t *testing.T, change func(*Config), test func(a *audience)) {
	bubble(t, 1, func(c *Config) {
		c.SessionDeliveriesMax = 100
		if change != nil {
			change(c)
		}
	}, func(h *harness) {
		a := &audience{harness: h}
		for range 12 {
			a.sessions = append(a.sessions, h.open(watchOf(1, "k", 2)))
		}
		for revision := range int64(2) {
			<-time.After(pauseMax)
			a.wait()
			h.put("k")
			require.True(h, a.told(), "what comes after a quiet time is told at once")
			a.take(revision + 2)
		}
		test(a)
	})
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
	crowded(t, nil, func(a *audience) {
		a.put("k")
		a.put("other")
		a.put("k")
		require.False(a, a.told())
		require.EqualValues(a, 3, a.node.Position(), "what is not matched is not reached")
		<-time.After(pauseMax)
		synctest.Wait()
		require.EqualValues(a, 6, a.node.Position())
		a.take(4, 6)
		require.False(a, a.told())
		<-time.After(pauseMax)
		a.put("k")
		require.True(a, a.told())
	})
}

// Goal: few are told at once, however fast one writes. Method: two clients, puts without a pause.
func TestFewAreToldAtOnce(t *testing.T) {
	bubble(t, 1, func(c *Config) { c.SessionDeliveriesMax = 100 }, func(h *harness) {
		a := &audience{harness: h, sessions: []*Session{h.open(watchOf(1, "k", 2)), h.open(watchOf(1, "k", 2))}}
		for revision := range int64(20) {
			a.wait()
			h.put("k")
			require.True(h, a.told())
			a.take(revision + 2)
		}
	})
}

// Goal: a source is not slower for the pauses: what does not go with the commits that wait has them matched at once, and comes right
// after; what is known is passed over. Method: a heartbeat and a repetition, then revisions that have to be read, as a notice and after a gap.
func TestWhatDoesNotFollowEndsTheWait(t *testing.T) {
	for name, next := range map[string]func(h *harness) *broadcast.Message{
		"notice": func(h *harness) *broadcast.Message {
			return &broadcast.Message{Follows: 4, Through: h.append("k").Revision}
		},
		"gap": func(h *harness) *broadcast.Message {
			h.append("k")
			last := h.append("k")
			return &broadcast.Message{Follows: last.Revision - 1, Through: last.Revision, Commits: []*consensusv1.Commit{last}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			crowded(t, nil, func(a *audience) {
				fourth := a.put("k")
				a.send(&broadcast.Message{Follows: fourth, Through: fourth})
				a.send(&broadcast.Message{Follows: fourth - 1, Through: fourth, Commits: a.history.commits[fourth-1:]})
				require.False(a, a.told())
				a.send(next(a.harness))
				require.EqualValues(a, len(a.history.commits), a.node.Position())
				for revision := range a.node.Position() - 3 {
					a.take(revision + 4)
				}
			})
		})
	}
}

// Goal: what waits is bounded by bytes. Method: as much as a delivery may hold.
func TestGatheringEndsWithAFullDelivery(t *testing.T) {
	crowded(t, func(c *Config) { c.DeliveryBytesMax = 1000 }, func(a *audience) {
		puts := 0
		for ; !a.told(); puts++ {
			require.Less(a, puts, 100)
			a.put("k")
		}
		require.Greater(a, puts, 1)
	})
}

// Goal: nobody hears of a store that was replaced while its commits waited. Method: the node begins anew meanwhile, and a watch of the
// new store is there before the pause is over.
func TestReplacedStoreIsForgottenWhileItsCommitsWait(t *testing.T) {
	crowded(t, nil, func(a *audience) {
		a.put("k")
		a.node.Restart(3)
		other := a.open(watchOf(1, "k", 4))
		<-time.After(pauseMax)
		synctest.Wait()
		require.EqualValues(a, 3, a.node.Position())
		a.nothing(other)
	})
}

// Goal: a node that stops does not wait for what it gathers. Method: stop it in a pause.
func TestStopWhileCommitsWait(t *testing.T) {
	crowded(t, nil, func(a *audience) {
		a.put("k")
		begin := time.Now()
		a.stop()
		_, err := a.sessions[0].Next(context.Background())
		require.Error(a, err)
		require.Zero(a, time.Since(begin))
	})
}

// Goal: the pause grows with who was woken, from nothing to the longest, and is none where each is told much. Method: some steps.
func TestPauseGrowsWithWhoWasWoken(t *testing.T) {
	require.Zero(t, pauseAfter(0, 0))
	require.Zero(t, pauseAfter(2, 2))
	require.Equal(t, 10*(clientPause-deliveryTime), pauseAfter(10, 10))
	require.Zero(t, pauseAfter(1000, 10))
	require.Equal(t, pauseMax, pauseAfter(1000, 1000))
}
