package bench

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// Goal: percentiles are those of the times, at both ends too. Method: a hundred and one times, and a single one.
func TestPercentiles(t *testing.T) {
	var times []time.Duration
	for i := range 1000 {
		times = append(times, time.Duration(i+1))
	}
	for p, want := range map[float64]time.Duration{50: 500, 90: 900, 99: 990, 99.9: 999, 100: 1000} {
		require.Equal(t, want, percentile(times, p))
	}
	require.Equal(t, time.Duration(7), percentile([]time.Duration{7}, 99.9))
}

// Goal: a store that stands still shows in an open loop's times in all requests that were due meanwhile, not only in those on their way. Method: time of
// the test's; one worker, ten requests a second, and the first of them takes a second.
func TestOpenLoopCountsFromWhenDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := flags{total: 10, clients: 1, rate: 10}
		r := newRecorder()
		f.loop(context.Background(), []*clientv3.Client{nil}, r, func(_ context.Context, _ *clientv3.Client, number int, due time.Time) error {
			if number == 0 {
				<-time.After(time.Second)
			}
			return r.add("put", due, nil)
		}, func() {})
		s := r.summaries(time.Second)[0]
		require.Equal(t, 10, s.Count)
		require.Equal(t, time.Second, s.Max)
		require.Equal(t, 500*time.Millisecond, s.P50, "a closed loop would say 0")
	})
}

// Goal: flags that make no sense are refused before anything is sent. Method: by table.
func TestFlagsThatMakeNoSense(t *testing.T) {
	good := flags{total: 1, clients: 1, connections: 1, prefix: "p"}
	require.NoError(t, good.check())
	for _, spoil := range []func(*flags){
		func(f *flags) { f.total = 0 }, func(f *flags) { f.clients = -1 }, func(f *flags) { f.connections = 0 }, func(f *flags) { f.rate = -1 },
		func(f *flags) { f.prefix = "" }, func(f *flags) { f.valueBytes = 2 << 20 },
	} {
		bad := good
		spoil(&bad)
		require.Error(t, bad.check())
	}
}
