package lease

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/quoratedb/quorate/pkg/errdefs"
	leasev1 "github.com/quoratedb/quorate/pkg/gen/quorate/lease/v1"
)

// The shortest lease must follow etcd's arithmetic: whole ticks, then full seconds. Table of timings.
func TestMinTTL(t *testing.T) {
	for _, c := range []struct {
		election, heartbeat time.Duration
		want                int64
	}{
		{time.Second, 100 * time.Millisecond, 2},
		{5 * time.Second, 500 * time.Millisecond, 8},
		{50 * time.Millisecond, 10 * time.Millisecond, 1},
		{50 * time.Second, 100 * time.Millisecond, 75},
		{700 * time.Millisecond, 100 * time.Millisecond, 1}, // 10 ticks of 10.5
	} {
		require.Equal(t, c.want, MinTTL(c.election, c.heartbeat), "%s/%s", c.election, c.heartbeat)
	}
}

// A wrong configuration must be refused with everything that is wrong about it. Build one with two faults.
func TestNewReportsAllFaults(t *testing.T) {
	_, err := New(Config{RequestTimeout: -1})
	require.ErrorContains(t, err, "no Consensus is set")
	require.ErrorContains(t, err, "no Holder is set")
	require.ErrorContains(t, err, "RequestTimeout is negative")
}

// A lease must live through its time, not much longer, and take its keys along. Grant one, look at both sides of the
// deadline.
func TestLeaseExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newStore()
		s, _ := run(t, f, nil)
		id := grant(t, s, 0, 10)
		require.Positive(t, id)
		f.attach(id, "k")
		elapse(4500 * time.Millisecond)
		require.Equal(t, int64(5), timeToLive(t, s, id))
		elapse(5400 * time.Millisecond)
		require.True(t, f.exists(id), "0.1 s before its deadline")
		require.Equal(t, int64(0), timeToLive(t, s, id))
		elapse(300 * time.Millisecond)
		require.False(t, f.exists(id), "0.2 s after its deadline")
		require.Equal(t, int64(-1), timeToLive(t, s, id))
		require.Equal(t, []int64{0}, keepAlive(t, s, id))
	})
}

// Keep-alives must keep leases for as long as they come, without a log entry where the first comes soon, and answer in the order
// asked. Renew one of two for a while.
func TestKeepAlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newStore()
		s, _ := run(t, f, nil)
		grant(t, s, 1, 5)
		grant(t, s, 2, 6)
		keepAlive(t, s, 1)
		before := f.entries(func(c *command) bool { return true })
		for range 20 {
			elapse(3 * time.Second)
			keepAlive(t, s, 1)
		}
		require.Equal(t, []int64{0, 5, 0, 5}, keepAlive(t, s, 2, 1, 77, 1))
		other := f.entries(func(c *command) bool {
			return isRevoke(c) || isCheckpoint(c) && len(c.GetLeaseCheckpoint().GetLeases()) == 1 && c.GetLeaseCheckpoint().GetLeases()[0].GetId() == 2
		})
		require.Equal(t, other, f.entries(func(c *command) bool { return true })-before, "only what became of 2 is in the log")
		elapse(6 * time.Second)
		require.Zero(t, f.count())
	})
}

// Grants must follow etcd's bounds and ids. Table of requests.
func TestGrantBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newStore()
		s, _ := run(t, f, nil)
		for ttl, want := range map[int64]int64{-5: 2, 0: 2, 1: 2, 2: 2, 3: 3, TTLMax: TTLMax} {
			resp, err := s.Grant(t.Context(), &leasev1.GrantRequest{Ttl: ttl})
			require.NoError(t, err)
			require.Equal(t, want, resp.Ttl)
			require.Positive(t, resp.Id)
		}
		_, err := s.Grant(t.Context(), &leasev1.GrantRequest{Ttl: TTLMax + 1})
		require.ErrorIs(t, err, errdefs.ErrLeaseTTLTooLarge)
		grant(t, s, 9, 5)
		_, err = s.Grant(t.Context(), &leasev1.GrantRequest{Id: 9, Ttl: 5})
		require.ErrorIs(t, err, errdefs.ErrLeaseExists)
		elapse(24 * time.Hour)
		require.Equal(t, 1, f.count(), "the 285-year lease lives on")
	})
}

// A revoke must end a lease at once and be refused the second time. Revoke, then ask for it.
func TestRevoke(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newStore()
		s, _ := run(t, f, nil)
		grant(t, s, 1, 5)
		f.attach(1, "k")
		resp, err := s.Revoke(t.Context(), &leasev1.RevokeRequest{Id: 1})
		require.NoError(t, err)
		require.Equal(t, int64(2), resp.Revision)
		_, err = s.Revoke(t.Context(), &leasev1.RevokeRequest{Id: 1})
		require.ErrorIs(t, err, errdefs.ErrLeaseNotFound)
		require.Equal(t, []int64{0}, keepAlive(t, s, 1))
		grant(t, s, 1, 5)
		require.Equal(t, []int64{5}, keepAlive(t, s, 1))
	})
}

// List must name all leases, soonest expiry first; TimeToLive must add keys when asked. Three leases, one renewed.
func TestListAndKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newStore()
		s, _ := run(t, f, nil)
		grant(t, s, 3, 30)
		grant(t, s, 1, 10)
		grant(t, s, 2, 20)
		f.attach(2, "b")
		elapse(5 * time.Second)
		keepAlive(t, s, 3)
		list, err := s.List(t.Context(), &leasev1.ListRequest{})
		require.NoError(t, err)
		require.Equal(t, []int64{1, 2, 3}, list.Ids)
		ttl, err := s.TimeToLive(t.Context(), &leasev1.TimeToLiveRequest{Id: 2, Keys: true})
		require.NoError(t, err)
		require.Equal(t, int64(15), ttl.Ttl)
		require.Equal(t, int64(20), ttl.GrantedTtl)
		require.Equal(t, [][]byte{[]byte("b")}, ttl.Keys)
		require.Equal(t, int64(-1), timeToLive(t, s, 99))
	})
}

// Lists of all leases must be made a few at a time, and others wait within their time. With as many under way as may be, one more runs
// out of time, and another gets its turn when one ends.
func TestListsAtATimeAreLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := run(t, newStore(), nil)
		grant(t, s, 1, 30)
		for range listsMax {
			s.reader.lists <- struct{}{}
		}
		_, err := s.List(t.Context(), &leasev1.ListRequest{})
		require.ErrorIs(t, err, errdefs.ErrTimeout)
		ended := make(chan error, 1)
		go func() {
			_, err := s.List(t.Context(), &leasev1.ListRequest{})
			ended <- err
		}()
		synctest.Wait()
		require.Empty(t, ended)
		<-s.reader.lists
		require.NoError(t, <-ended)
		require.Len(t, s.reader.lists, listsMax-1, "the one that ended holds its place")
	})
}

// A restart must lose no lease and expire none early: each that is kept alive gets all its time from the restart on. Stop a
// service half way, and start another later.
func TestRestartGivesAllTimeAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newStore()
		s, stop := run(t, f, nil)
		grant(t, s, 1, 10)
		elapse(2 * time.Second)
		keepAlive(t, s, 1)
		elapse(6 * time.Second)
		stop()
		elapse(time.Minute)
		require.True(t, f.exists(1))
		s, _ = run(t, f, nil)
		elapse(9900 * time.Millisecond)
		require.True(t, f.exists(1))
		require.Equal(t, []int64{10}, keepAlive(t, s, 1))
		elapse(10*time.Second + expiryPause + time.Second)
		require.False(t, f.exists(1))
	})
}

// Requests must wait for a service that is starting, time out when that takes too long, and be refused after it has
// stopped. A store that does not answer an acquisition for a while.
func TestRequestsBeforeAndAfterRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newStore()
		open := make(chan struct{})
		f.set(func(h *hooks) {
			h.before = func(ctx context.Context, _ *command) error {
				select {
				case <-open:
					return nil
				case <-ctx.Done():
					return ctx.Err()
				}
			}
		})
		s, stop := run(t, f, nil)
		began := time.Now()
		_, err := s.KeepAlive(t.Context(), &leasev1.KeepAliveRequest{Ids: []int64{1}})
		require.ErrorIs(t, err, errdefs.ErrTimeout)
		require.Equal(t, requestTimeoutDefault, time.Since(began))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		_, err = s.Grant(ctx, &leasev1.GrantRequest{Ttl: 5})
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.NotErrorIs(t, err, errdefs.ErrTimeout)
		cancel()
		granted := make(chan error)
		go func() {
			_, err := s.Grant(t.Context(), &leasev1.GrantRequest{Ttl: 5})
			granted <- err
		}()
		elapse(time.Second)
		close(open)
		require.NoError(t, <-granted)
		stop()
		_, err = s.KeepAlive(t.Context(), &leasev1.KeepAliveRequest{Ids: []int64{1}})
		require.ErrorIs(t, err, errdefs.ErrStopped)
		_, err = s.List(t.Context(), &leasev1.ListRequest{})
		require.ErrorIs(t, err, errdefs.ErrStopped)
	})
}

// The metrics that etcd has too must count what etcd's count. Two grants, a renewal, a revoke and an expiry.
func TestMetrics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := prometheus.NewRegistry()
		f := newStore()
		s, _ := run(t, f, func(c *Config) { c.Registerer = reg })
		grant(t, s, 1, 5)
		grant(t, s, 2, 7)
		keepAlive(t, s, 1)
		_, err := s.Revoke(t.Context(), &leasev1.RevokeRequest{Id: 2})
		require.NoError(t, err)
		elapse(6 * time.Second)
		for name, want := range map[string]float64{
			"etcd_debugging_lease_renewed_total":        1,
			"etcd_debugging_server_lease_expired_total": 1,
			"quorate_lease_leases":                      0,
			"quorate_lease_epoch":                       1,
			"quorate_lease_holding":                     1,
		} {
			require.Equal(t, want, sample(t, reg, name), name)
		}
		_, err = New(Config{Consensus: f, Holder: "x", Registerer: reg})
		require.Error(t, err, "the names are taken")
	})
}

func sample(t *testing.T, reg prometheus.Gatherer, name string) float64 {
	t.Helper()
	families, err := reg.Gather()
	require.NoError(t, err)
	for _, f := range families {
		if f.GetName() == name {
			m := f.GetMetric()[0]
			return m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	require.Fail(t, "no such metric", name)
	return 0
}
