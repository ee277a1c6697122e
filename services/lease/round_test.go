package lease

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// With very many leases nothing may hold the service's lock for long ("0.6 to 1.1 s with a million"). Compare, forget, renew
// and expire many, and count what each look at the table takes.
func TestTableIsLookedAtInSlices(t *testing.T) {
	const n = 5*sliceLeasesMax + 7
	tb := newTable(2, 5*time.Minute)
	list := make([]*consensusv1.Lease, n)
	for i := range list {
		list[i] = &consensusv1.Lease{Id: int64(i) + 1, GrantedTtl: 60}
	}
	tb.beginRound()
	require.Equal(t, n, tb.compareSlice(list, 0, 0, true))
	tb.endRound()

	for id := range int64(n) { // all are renewed, none is due when it is looked at
		tb.renew(tb.leases[id+1], instant(30*time.Second))
	}
	looks := 0
	for more := true; more; looks++ {
		var ids []int64
		ids, more = tb.takeExpired(instant(61*time.Second), 500)
		require.Empty(t, ids)
	}
	require.Greater(t, looks, n/sliceLeasesMax)

	tb.beginRound()
	require.Zero(t, tb.compareSlice(list[:10], 0, 0, false))
	tb.add(n+1, 60, instant(time.Minute), 0) // granted while the list was on its way
	slices, forgotten := 0, 0
	for before := math.MaxInt; before > 0; slices++ {
		var some int
		before, some = tb.forgetSlice(before)
		require.LessOrEqual(t, some, sliceLeasesMax)
		forgotten += some
		tb.remove(int64(slices) + 1) // others go on meanwhile
	}
	tb.endRound()
	require.Greater(t, slices, n/sliceLeasesMax)
	require.Equal(t, n-10, forgotten)
	require.Len(t, tb.leases, 11-slices)
	require.Len(t, tb.order, 11-slices)
	for at, e := range tb.order {
		require.Equal(t, at, e.at)
		require.Same(t, e, tb.leases[e.id])
	}
}
