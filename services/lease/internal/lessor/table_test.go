package lessor

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// With very many leases nothing may hold a step up for long ("0.6 to 1.1 s with a million"). Compare, forget, renew
// and expire many, and count what each look at the table takes.
func TestTableIsLookedAtInSlices(t *testing.T) {
	const n = 5*sliceLeasesMax + 7
	at := func(d time.Duration) Moment { return Moment{At: Uptime(d)} }
	l := New(Config{MinTTL: 2, CheckpointInterval: 5 * time.Minute})
	tb := &l.table
	list := make([]*consensusv1.Lease, n)
	for i := range list {
		list[i] = &consensusv1.Lease{Id: int64(i) + 1, GrantedTtl: 60}
	}
	all := l.Reconcile(true)
	require.Equal(t, n, all.Add(at(0), list))
	all.End()

	for id := range int64(n) { // all are renewed, none is due when it is looked at
		tb.renew(tb.leases[id+1], Instant(30*time.Second))
	}
	looks := 0
	for more := true; more; looks++ {
		var ids []int64
		ids, more = tb.takeExpired(Instant(61*time.Second), 500)
		require.Empty(t, ids)
	}
	require.Greater(t, looks, n/sliceLeasesMax)

	some := l.Reconcile(false)
	require.Zero(t, some.Add(at(0), list[:10]))
	tb.add(n+1, 60, Instant(time.Minute), 0) // granted while the list was on its way
	slices, forgotten := 0, 0
	for before := math.MaxInt; before > 0; slices++ {
		var n int
		before, n = some.Forget(before)
		require.LessOrEqual(t, n, sliceLeasesMax)
		forgotten += n
		tb.remove(int64(slices) + 1) // others go on meanwhile
	}
	some.End()
	require.Greater(t, slices, n/sliceLeasesMax)
	require.Equal(t, n-10, forgotten)
	require.Len(t, tb.leases, 11-slices)
	require.Len(t, tb.order, 11-slices)
	for at, e := range tb.order {
		require.Equal(t, at, e.at)
		require.Same(t, e, tb.leases[e.id])
	}
}

// Leases that were taken together may be proposed again in other company. Whoever waits for one of them must sleep until
// it is gone, however many of the others are gone before.
func TestRevokesRegrouped(t *testing.T) {
	tb := newTable(1, time.Hour)
	for id := int64(1); id <= 3; id++ {
		tb.add(id, 1, Instant(id), 0)
	}
	ids, _ := tb.takeExpired(Instant(10), 3)
	require.Equal(t, []int64{1, 2, 3}, ids)
	tb.again = append(tb.again, ids...)
	first, _ := tb.takeExpired(Instant(10), 2)
	require.Equal(t, []int64{1, 2}, first)
	tb.revoked(first)
	waited := tb.latches[3]
	require.NotNil(t, waited)
	select {
	case <-waited.Released():
		t.Fatal("the latch of lease 3 was released with those of 1 and 2")
	default:
	}
	last, _ := tb.takeExpired(Instant(10), 2)
	tb.revoked(last)
	<-waited.Released()
	require.Empty(t, tb.latches)
}

// Run with: go test -run '^$' -bench . ./services/lease/internal/lessor
// It shows what an expiry costs: microseconds.
func BenchmarkExpire(b *testing.B) {
	for b.Loop() {
		t := newTable(2, time.Hour)
		for id := range int64(100_000) {
			t.add(id+1, 5, Instant(id), 0)
		}
		for {
			ids, _ := t.takeExpired(Instant(time.Second), 500)
			if len(ids) == 0 {
				break
			}
			t.revoked(ids)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*100_000), "ns/lease")
}
