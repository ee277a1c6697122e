package parallelbcrypt

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// Goal: who logs in on a machine where other processes compute is not held up by all of them after each round ("authenticate: compare a
// password: request timed out"). Method: the rounds of a comparison, each followed by a kernel that gives others a time slice; and one
// where nobody waits, which is asked each time.
func TestOtherProcessesGetHalfOfTheTime(t *testing.T) {
	const rounds, round = 1 << 10, 100 * time.Microsecond
	for _, slice := range []time.Duration{0, 3 * time.Millisecond} {
		synctest.Test(t, func(t *testing.T) {
			asked, began := 0, time.Now()
			y := &yielder{began: began, give: func() { asked++; <-time.After(slice) }}
			for range rounds {
				<-time.After(round)
				y.yield()
			}
			require.LessOrEqual(t, time.Since(began), 2*rounds*round+slice)
			require.Equal(t, slice == 0, asked == rounds)
			require.Greater(t, asked, rounds/100)
		})
	}
}
