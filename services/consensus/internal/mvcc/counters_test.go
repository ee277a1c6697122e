package mvcc

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Goal: leases are counted in the bucket of their time, as a histogram of seconds has it. Method: times at the edges of buckets, and beyond all.
func TestGrantedTimesAreInTheirBuckets(t *testing.T) {
	var c Counters
	for _, ttl := range []int64{1, 2, 3, 4, 1 << 23, 1 << 40} {
		c.Granted(ttl)
	}
	count, buckets, sum := c.granted()
	require.EqualValues(t, 6, count)
	require.InDelta(t, 10+1<<23+1<<40, sum, 0)
	require.Len(t, buckets, ttlBuckets)
	for le, want := range map[float64]uint64{1: 1, 2: 2, 4: 4, 8: 4, 1 << 23: 5} {
		require.Equal(t, want, buckets[le], le)
	}
}
