package balancer

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Goal: each node has one stream, however it leaves the list and comes back ("streams to a member add up"). Method: lists, and streams that break, one after
// the other.
func TestPlacesHaveOneStreamEach(t *testing.T) {
	a, b := place{"http://a", "1"}, place{"http://b", "2"}
	p := newPlaces()
	require.Equal(t, []int{0, 1}, p.list([]place{a, b}))
	require.Empty(t, p.list([]place{b, a}))
	require.True(t, p.broke(a), "it is opened again")
	require.Empty(t, p.list([]place{b}), "what is left out keeps its stream")
	require.Empty(t, p.list([]place{a, b}), "and is not met twice when it is back")
	require.Empty(t, p.list([]place{b}))
	require.False(t, p.broke(a))
	require.Equal(t, []int{0}, p.list([]place{a, b}))
}

// Goal: pauses double up to a second and begin anew after a stream that has lasted, not after one that broke at once; that a node is missing is said at once
// and then every ten seconds. Method: attempts by a clock that nobody waits for.
func TestPausesBetweenAttempts(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	var a attempts
	var said []time.Duration
	began := now
	attempt := func(spoke bool, lasted time.Duration) time.Duration {
		now = now.Add(lasted)
		pause, say := a.ended(now, spoke, lasted)
		if say {
			said = append(said, now.Sub(began))
		}
		now = now.Add(pause)
		return pause
	}
	for _, want := range []time.Duration{50, 100, 200, 400, 800, 1000, 1000} {
		require.Equal(t, want*time.Millisecond, attempt(false, 0))
	}
	for now.Sub(began) < 31*time.Second {
		attempt(false, time.Second)
	}
	require.Len(t, said, 4)
	for i, at := range said {
		require.InDelta(t, i*10, at.Seconds(), 2.5)
	}
	require.Equal(t, time.Second, attempt(true, steadyTime-1), "it broke at once")
	require.Equal(t, reconnectPauseMin, attempt(true, steadyTime))
	require.Equal(t, 2*reconnectPauseMin, attempt(true, 0))
	require.Len(t, said, 7, "each time it was there before")
}
