package remote

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/quoratedb/quorate/pkg/errdefs"
	leasev1 "github.com/quoratedb/quorate/pkg/gen/quorate/lease/v1"
)

// leaseNode answers a keep-alive of a lease with twice its id, after a while. Those of recorded it says have to wait, if it is
// asked not to; of stuck too, and otherwise it does not answer a request with that one. An older one waits all the same.
type leaseNode struct {
	after    time.Duration
	stuck    int64
	recorded []int64
	older    bool

	mu       sync.Mutex
	requests [][]int64
}

func (n *leaseNode) KeepAlive(ctx context.Context, r *leasev1.KeepAliveRequest) (*leasev1.KeepAliveResponse, error) {
	n.mu.Lock()
	n.requests = append(n.requests, r.GetIds())
	n.mu.Unlock()
	select {
	case <-time.After(n.after):
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	response := &leasev1.KeepAliveResponse{Revision: 7, RaftTerm: 3}
	for _, id := range r.GetIds() {
		noWait := r.GetNoWait() && !n.older
		switch {
		case noWait && (id == n.stuck || slices.Contains(n.recorded, id)):
			response.Ttls = append(response.Ttls, -1)
			continue
		case id == n.stuck:
			<-ctx.Done()
			return nil, context.Cause(ctx)
		}
		response.Ttls = append(response.Ttls, 2*id)
	}
	return response, nil
}

func (n *leaseNode) sizes() (sizes []int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, ids := range n.requests {
		sizes = append(sizes, len(ids))
	}
	return sizes
}

// renewing has keep-alives made together for the length of a test.
func renewing(t *testing.T, n *leaseNode) (r *renewals, stop func()) {
	t.Helper()
	r = newRenewals(n.KeepAlive)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { r.run(ctx) })
	stop = func() {
		cancel()
		running.Wait()
	}
	t.Cleanup(stop)
	synctest.Wait()
	return r, stop
}

// keep keeps leases alive, one caller each, and returns how long each of them waited.
func keep(t *testing.T, r *renewals, ids ...int64) []time.Duration {
	t.Helper()
	waited := make([]time.Duration, len(ids))
	var callers sync.WaitGroup
	began := time.Now()
	for i, id := range ids {
		callers.Go(func() {
			ctx, cancel := context.WithTimeoutCause(t.Context(), 7*time.Second, errdefs.ErrTimeout)
			defer cancel()
			kept, err := r.KeepAlive(ctx, &leasev1.KeepAliveRequest{Ids: []int64{id}})
			if err == nil && (len(kept.GetTtls()) != 1 || kept.GetTtls()[0] != 2*id || kept.GetRevision() != 7 || kept.GetRaftTerm() != 3) {
				t.Errorf("lease %d: %v", id, kept)
			}
			if (err != nil) != (id == -1) {
				t.Errorf("lease %d: %v", id, err)
			}
			waited[i] = time.Since(began)
		})
	}
	callers.Wait()
	return waited
}

// Goal: keep-alives that wait at the same time are one request, and each caller gets its own answer; one that is alone waits for
// nothing. Method: callers beside one whose request is under way, then one after another.
func TestKeepAlivesGoTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &leaseNode{after: 5 * time.Millisecond}
		r, _ := renewing(t, n)
		var first sync.WaitGroup
		first.Go(func() { keep(t, r, 1000) })
		synctest.Wait()
		ids := make([]int64, 500)
		for i := range ids {
			ids[i] = int64(i) + 1
		}
		keep(t, r, ids...)
		first.Wait()
		require.Equal(t, []int{1, 500}, n.sizes())
		elapsed := keep(t, r, 3)[0] + keep(t, r, 4)[0]
		require.Equal(t, 2*n.after, elapsed)
	})
}

// Goal: the more keep-alives come, the more of them share a message, and one that is alone does not wait for others.
func TestPauseBetweenRequests(t *testing.T) {
	require.Zero(t, pauseAfter(0))
	require.Zero(t, pauseAfter(1))
	require.Equal(t, renewPause, pauseAfter(2))
	require.Equal(t, renewPause, pauseAfter(renewMany-1))
	require.Equal(t, renewPauseMany, pauseAfter(renewMany))
	require.Less(t, renewPauseMany, renewOverlap)
}

// Goal: leases that have to wait do not keep others waiting; they are asked for again together. Method: a lease that is not answered,
// two that have to wait, and others. They go together: they wait for the answer to a first.
func TestLeasesThatWaitHoldUpNoOther(t *testing.T) {
	for name, c := range map[string]struct {
		ids    []int64
		waited []time.Duration // each once the request before them and their own were answered
		sizes  []int           // of the requests after the first
	}{
		"one does":      {ids: []int64{1, -1, 2}, waited: []time.Duration{0, 7 * time.Second, 0}, sizes: []int{3, 1}},
		"two do":        {ids: []int64{1, 3, 4}, waited: []time.Duration{0, time.Millisecond, time.Millisecond}, sizes: []int{3, 2}},
		"one is longer": {ids: []int64{1, 3, -1}, waited: []time.Duration{0, renewTimeout + time.Millisecond, 7 * time.Second}, sizes: []int{3, 2, 1, 1}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := &leaseNode{stuck: -1, recorded: []int64{3, 4}, after: time.Millisecond}
				r, _ := renewing(t, n)
				var first sync.WaitGroup
				first.Go(func() { keep(t, r, 1000) })
				synctest.Wait()
				waited := keep(t, r, c.ids...)
				for i := range waited {
					if waited[i] < 7*time.Second {
						waited[i] -= 2 * n.after
					}
				}
				require.Equal(t, c.waited, waited)
				require.Equal(t, c.sizes, n.sizes()[1:])
				first.Wait()
			})
		})
	}
}

// Goal: nor does one of which a lease node of an older version has to wait for long. Method: a lease that is not answered, and others
// asked for with it and after it. All three go together: they wait for the answer to a first.
func TestStuckLeaseHoldsUpNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &leaseNode{stuck: -1, after: renewOverlap / 2, older: true}
		r, _ := renewing(t, n)
		var callers sync.WaitGroup
		callers.Go(func() { keep(t, r, 1000) })
		synctest.Wait()
		callers.Go(func() {
			waited := keep(t, r, 1, 2, -1)
			alone := n.after + renewTimeout + n.after
			require.Equal(t, []time.Duration{alone, alone, 7 * time.Second}, waited)
		})
		<-time.After(n.after)
		synctest.Wait() // the three are under way
		require.LessOrEqual(t, keep(t, r, 5)[0], renewPause+renewOverlap+n.after)
		callers.Wait()
		require.Equal(t, 3, n.sizes()[1])
	})
}

// Goal: keep-alives need nobody who makes them together. Method: before run, when it ends amid one, and after it.
func TestKeepAliveAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &leaseNode{after: time.Millisecond}
		keep(t, newRenewals(n.KeepAlive), 1, 2)
		require.Equal(t, []int{1, 1}, n.sizes())
		r, stop := renewing(t, n)
		var cut sync.WaitGroup
		cut.Go(func() { keep(t, r, 3, 4) })
		synctest.Wait()
		stop()
		cut.Wait()
		keep(t, r, 5)
		require.Equal(t, 1, n.sizes()[len(n.sizes())-1])
	})
}

// Goal: who has no time left waits no longer, whatever the others do. Method: a caller that leaves amid a request.
func TestCallerLeavesTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _ := renewing(t, &leaseNode{after: time.Hour})
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Millisecond, errdefs.ErrTimeout)
		defer cancel()
		_, err := r.KeepAlive(ctx, &leasev1.KeepAliveRequest{Ids: []int64{1}})
		require.ErrorIs(t, err, errdefs.ErrTimeout)
	})
}
