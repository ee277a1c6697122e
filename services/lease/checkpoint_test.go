package lease

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	leasev1 "github.com/quoratedb/quorate/pkg/gen/quorate/lease/v1"
)

// A take-over must not renew a long lease in full: it gets what was left at the last checkpoint. A day-long lease and
// a restart after half a day.
func TestCheckpointShortensTakeOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newStore()
		s, stop := run(t, f, nil)
		grant(t, s, 1, 24*3600)
		grant(t, s, 2, 60)
		for range 12 * 60 * 2 {
			elapse(30 * time.Second)
			keepAlive(t, s, 2)
		}
		require.InDelta(t, 144, f.entries(isCheckpoint), 10, "one in five minutes")
		left := timeToLive(t, s, 1)
		stop()
		s, _ = run(t, f, nil)
		again := timeToLive(t, s, 1)
		require.GreaterOrEqual(t, again, left)
		require.LessOrEqual(t, again, left+6*60)
		require.Equal(t, int64(60), timeToLive(t, s, 2))
	})
}

// A short lease that nobody keeps alive must end though its holder is replaced again and again before it does. A lease of 20
// seconds, and a holder that is replaced every 7; one that is kept alive has all its time after each.
func TestShortLeaseEndsOverTakeOvers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newStore()
		s, stop := run(t, f, nil)
		grant(t, s, 1, 20)
		grant(t, s, 2, 20)
		left := int64(20)
		for range 3 {
			elapse(3 * time.Second)
			keepAlive(t, s, 2)
			elapse(3 * time.Second)
			left -= 6
			stop()
			elapse(time.Second)
			s, stop = run(t, f, nil)
			require.GreaterOrEqual(t, timeToLive(t, s, 1), left-1, "never less than was left, in whole seconds")
			require.GreaterOrEqual(t, timeToLive(t, s, 2), int64(19))
			left = timeToLive(t, s, 1)
		}
		require.LessOrEqual(t, left, int64(8))
		for range 4 {
			keepAlive(t, s, 2)
			elapse(5 * time.Second)
		}
		require.Equal(t, int64(-1), timeToLive(t, s, 1))
		require.Positive(t, timeToLive(t, s, 2))
	})
}

// A keep-alive of a checkpointed lease promises all its time, also to the next holder: it must clear the checkpoint
// first, and do so once. Renew, then take over.
func TestKeepAliveClearsCheckpoint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newStore()
		s, stop := run(t, f, nil)
		grant(t, s, 1, 3600)
		grant(t, s, 2, 3600)
		elapse(30 * time.Minute)
		before := f.entries(isCheckpoint)
		atOnce, err := s.KeepAlive(t.Context(), &leasev1.KeepAliveRequest{Ids: []int64{1, 2}, NoWait: true})
		require.NoError(t, err)
		require.Equal(t, []int64{-1, -1}, atOnce.GetTtls(), "nobody waits for the log")
		require.Zero(t, f.entries(isCheckpoint)-before)
		require.Equal(t, []int64{3600, 3600, 3600}, keepAlive(t, s, 1, 2, 1))
		require.Equal(t, 1, f.entries(isCheckpoint)-before)
		keepAlive(t, s, 1, 2)
		require.Equal(t, 1, f.entries(isCheckpoint)-before)
		stop()
		s, _ = run(t, f, nil)
		require.GreaterOrEqual(t, timeToLive(t, s, 1), int64(3600))
		require.GreaterOrEqual(t, timeToLive(t, s, 2), int64(3600))
	})
}

// A lease that is kept alive often must cost no log entries, however long it is. Renew an hour-long lease each minute.
func TestFrequentKeepAliveIsNotCheckpointed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newStore()
		s, _ := run(t, f, nil)
		grant(t, s, 1, 3600)
		for range 600 {
			elapse(time.Minute)
			keepAlive(t, s, 1)
		}
		require.Zero(t, f.entries(isCheckpoint))
	})
}

// A keep-alive whose checkpoint cannot be cleared must not claim to have renewed. A store that refuses to clear.
func TestKeepAliveFailsWithoutClearing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newStore()
		s, _ := run(t, f, nil)
		grant(t, s, 1, 3600)
		elapse(20*time.Minute + time.Second)
		f.set(func(h *hooks) { h.before = func(_ context.Context, c *command) error { return errdefs.ErrTimeout } })
		_, err := s.KeepAlive(t.Context(), &leasev1.KeepAliveRequest{Ids: []int64{1}})
		require.ErrorIs(t, err, errdefs.ErrTimeout)
		f.set(func(h *hooks) { h.before = nil })
		require.Less(t, timeToLive(t, s, 1), int64(2400))
		require.Equal(t, []int64{3600}, keepAlive(t, s, 1))
	})
}

// A checkpoint that takes effect after its failure was reported, and after a keep-alive promised more, must be fenced
// off. The store holds one checkpoint back and lets it through late.
func TestLateCheckpointIsFenced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newStore()
		s, stop := run(t, f, nil)
		grant(t, s, 1, 3600)
		var late *command
		f.set(func(h *hooks) {
			h.before = func(_ context.Context, c *command) error {
				if isCheckpoint(c) && late == nil {
					late = c
					return errdefs.ErrTimeout
				}
				return nil
			}
		})
		elapse(6 * time.Minute)
		require.NotNil(t, late)
		require.Equal(t, []int64{3600}, keepAlive(t, s, 1))
		_, err := f.apply(late)
		require.ErrorIs(t, err, errdefs.ErrStaleEpoch)
		stop()
		s, _ = run(t, f, nil)
		require.GreaterOrEqual(t, timeToLive(t, s, 1), int64(3600))
	})
}

// Leases that clients keep alive must cost no log entries after a take-over, however many there are: each was recorded when a
// quarter of its time was over, before its client asked again, and cleared by that keep-alive. A thousand leases whose clients ask
// after a third of the time, wherever they were when the holder changed.
func TestKeptLeasesCostNothingAfterATakeOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const leases, third = 1000, 20
		f := newStore()
		s, stop := run(t, f, nil)
		for id := int64(1); id <= leases; id++ {
			grant(t, s, id, 3*third)
		}
		stop()
		s, _ = run(t, f, nil)
		for second := range 6 * third {
			elapse(time.Second)
			for id := int64(1 + second%third); id <= leases; id += third {
				keepAlive(t, s, id)
			}
		}
		require.Zero(t, f.entries(isCheckpoint))
	})
}

// A great many leases whose remaining time is due to be recorded together must leave the log to others: a few entries a second,
// until all are recorded. Take over 25,000 leases that nobody keeps alive.
func TestManyCheckpointsKeepAPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const leases = 25_000
		f := newStore()
		f.mu.Lock()
		for id := int64(1); id <= leases; id++ {
			f.mu.leases[id] = &consensusv1.Lease{Id: id, GrantedTtl: 600}
		}
		f.mu.Unlock()
		run(t, f, nil)
		elapse(290 * time.Second)
		require.Zero(t, f.entries(isCheckpoint))
		most := 0
		for range 20 {
			before := f.entries(isCheckpoint)
			elapse(time.Second)
			most = max(most, f.entries(isCheckpoint)-before)
		}
		require.Equal(t, checkpointEntriesMax, most)
		f.mu.Lock()
		defer f.mu.Unlock()
		for _, l := range f.mu.leases {
			require.Positive(t, l.RemainingTtl)
		}
	})
}
