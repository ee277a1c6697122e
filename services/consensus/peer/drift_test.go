package peer

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Goal: two clocks that may be equal are never said to differ, whatever the date leaves out and however long the answer took; those that do differ are,
// by no more than they do. Method: dates before, within and after the time of a request, by table.
func TestDriftOfClocks(t *testing.T) {
	began := time.Date(2026, 1, 2, 3, 4, 5, 900_000_000, time.UTC)
	arrived := began.Add(3 * time.Second)
	for _, c := range []struct{ made, drift time.Duration }{
		{0, 0},
		{3 * time.Second, 0},
		{-900 * time.Millisecond, 0},
		{-10 * time.Second, -9900 * time.Millisecond},
		{10 * time.Second, 6100 * time.Millisecond},
	} {
		answer := http.Header{"Date": {began.Add(c.made).Format(http.TimeFormat)}}
		require.Equal(t, c.drift, driftOf(answer, began, arrived), c.made)
	}
	require.Zero(t, driftOf(http.Header{}, began, arrived))
	require.Zero(t, driftOf(http.Header{"Date": {"soon"}}, began, arrived))
}
