package v3

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Goal: what waits is taken together, up to a bound, and the end of it is seen once all is taken. Method: more than the bound in a channel that is closed.
func TestGatherTakesWhatWaits(t *testing.T) {
	ids := make(chan int64, renewalsMax+3)
	for id := range int64(renewalsMax + 3) {
		ids <- id
	}
	require.Len(t, gather(ids), renewalsMax)
	require.Equal(t, []int64{renewalsMax, renewalsMax + 1, renewalsMax + 2}, gather(ids))
	close(ids)
	require.Empty(t, gather(ids))
}
