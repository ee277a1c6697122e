package audit

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// Goal: a state is read without a bound until the member serves or has waited long enough for it, at its pace then, and a very large one
// as fast as takes an hour. Method: time that only passes while all wait.
func TestPace(t *testing.T) {
	serving := make(chan struct{})
	close(serving)
	const large = 1 << 40
	for name, c := range map[string]struct {
		serving <-chan struct{}
		size    int64
		read    int
		took    time.Duration
	}{
		"before it serves":       {nil, 0, 10 * readBytesPerSecond, 0},
		"while it serves":        {serving, 0, 10 * readBytesPerSecond, 10 * time.Second},
		"a state of a few bytes": {serving, 7, 10 * readBytesPerSecond, 10 * time.Second},
		"a state of 1 TiB":       {serving, large, large / 60, time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began, wait := time.Now(), pace(c.serving, c.size)
				for range 10 {
					require.NoError(t, wait(t.Context(), c.read/10))
				}
				require.InDelta(t, c.took, time.Since(began), float64(time.Second/readBurstsPerSecond+time.Millisecond))
			})
		})
	}
}

// Goal: who does not serve in time reads at the pace of those who do. Method: the second read comes later than may be free.
func TestPaceBeginsInAnyCase(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wait := pace(nil, 0)
		require.NoError(t, wait(t.Context(), 100*readBytesPerSecond))
		<-time.After(initialMax)
		began := time.Now()
		require.NoError(t, wait(t.Context(), readBytesPerSecond))
		require.InDelta(t, time.Second, time.Since(began), float64(time.Second/readBurstsPerSecond+time.Millisecond))
	})
}

// Goal: nobody waits for a reading that nobody wants any more. Method: a context that has ended.
func TestPaceEnds(t *testing.T) {
	serving := make(chan struct{})
	close(serving)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, pace(serving, 0)(ctx, 1<<40), context.Canceled)
}
