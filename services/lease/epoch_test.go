package lease

import (
	"context"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	leasev1 "github.com/quoratedb/quorate/pkg/gen/quorate/lease/v1"
	"github.com/quoratedb/quorate/services/lease/internal/lessor"
)

// A holder that was paused while another took over must revoke nothing and answer nothing once it wakes. The pause is
// a store that holds back what the first holder proposes and reads.
func TestPausedHolderIsFenced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newStore()
		paused := &gate{store: f}
		old, _ := run(t, f, func(c *Config) { c.Consensus, c.Holder = paused, "old" })
		grant(t, old, 1, 5)
		grant(t, old, 2, 60)
		paused.shut()
		elapse(3 * time.Second)
		s, _ := run(t, f, func(c *Config) { c.Holder = "new" })
		for range 5 {
			elapse(4 * time.Second)
			require.Equal(t, []int64{5}, keepAlive(t, s, 1))
		}
		late := make(chan error)
		go func() {
			_, err := old.KeepAlive(t.Context(), &leasev1.KeepAliveRequest{Ids: []int64{2}})
			late <- err
		}()
		synctest.Wait()
		paused.open()
		require.ErrorIs(t, <-late, errdefs.ErrNoLeader)
		elapse(2 * time.Second)
		require.True(t, f.exists(1), "the old holder must not revoke what the new one keeps alive")
		require.False(t, old.Active())
		require.True(t, s.Active())
		_, err := old.Grant(t.Context(), &leasev1.GrantRequest{Ttl: 5})
		require.ErrorIs(t, err, errdefs.ErrNoLeader)

		old.TakeOver()
		elapse(time.Second)
		require.True(t, old.Active())
		require.Equal(t, []int64{5, 60}, keepAlive(t, old, 1, 2))
		_, err = s.KeepAlive(t.Context(), &leasev1.KeepAliveRequest{Ids: []int64{1}})
		require.ErrorIs(t, err, errdefs.ErrNoLeader, "it asks once its confirmation is too old")
	})
}

// A holder that does not know yet that it was replaced may answer keep-alives for a moment; what it promises must
// hold. Ask both holders around a take-over, and watch the lease.
func TestPromiseOfReplacedHolderHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newStore()
		cut := &gate{store: f}
		old, _ := run(t, f, func(c *Config) { c.Consensus, c.Holder = cut, "old" })
		grant(t, old, 1, 5)
		elapse(time.Second)
		cut.shut()
		var left time.Duration // of the confirmation
		old.core.step(func(l *lessor.Lessor, now lessor.Moment) {
			due, _ := l.ConfirmationDue()
			left = time.Duration(due.Plus(lessor.ConfirmationValid-lessor.ConfirmInterval) - now.At)
		})
		require.Positive(t, left)
		elapse(left / 2)
		run(t, f, func(c *Config) { c.Holder = "new" })
		elapse(left/2 - time.Millisecond)
		require.Equal(t, []int64{5}, keepAlive(t, old, 1), "within the window")
		promised := time.Now().Add(5 * time.Second)
		f.set(func(h *hooks) {
			h.applied = func(c *command) {
				if isRevoke(c) {
					require.False(t, time.Now().Before(promised), "revoked %s early", time.Until(promised))
				}
			}
		})
		elapse(2 * time.Millisecond)
		cut.open()
		_, err := old.KeepAlive(t.Context(), &leasev1.KeepAliveRequest{Ids: []int64{1}})
		require.ErrorIs(t, err, errdefs.ErrNoLeader, "after the window")
		elapse(6 * time.Second)
		require.False(t, f.exists(1))
	})
}

// One that was told to step down must not take the leases back because the outcome of something is unknown: the next
// holder may have acquired no epoch yet, so that nothing else shows that they are another's. Step down amid a revoke, and
// amid an acquisition.
func TestSteppedDownHolderAcquiresNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newStore()
		s, _ := run(t, f, nil)
		grant(t, s, 1, 5)
		stepDownAt := func(kind func(*command) bool) {
			f.set(func(h *hooks) {
				h.before = func(_ context.Context, c *command) error {
					if kind(c) {
						s.StepDown()
						return errdefs.ErrTimeout
					}
					return nil
				}
			})
		}
		stepDownAt(isRevoke)
		elapse(time.Minute)
		require.False(t, s.Active())
		require.Equal(t, 1, f.entries(isAcquire))
		_, err := s.KeepAlive(t.Context(), &leasev1.KeepAliveRequest{Ids: []int64{1}})
		require.ErrorIs(t, err, errdefs.ErrNoLeader)

		stepDownAt(isAcquire)
		s.TakeOver()
		elapse(time.Minute)
		require.False(t, s.Active())
		require.Equal(t, 1, f.entries(isAcquire))

		// Whether the acquisition has begun when the wish is taken back is the scheduler's choice: it must end all the same.
		f.set(func(h *hooks) {
			h.before = func(ctx context.Context, _ *command) error {
				<-ctx.Done()
				return ctx.Err()
			}
		})
		s.TakeOver()
		s.StepDown()
		elapse(0)
		f.set(func(h *hooks) { h.before = nil })
		elapse(time.Minute)
		require.Equal(t, 1, f.entries(isAcquire), "a wish that was taken back")
		s.TakeOver()
		elapse(time.Second)
		require.True(t, s.Active())
	})
}

// A standby must acquire nothing until it is told to. Start one, tell it.
func TestStandby(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newStore()
		s, _ := run(t, f, func(c *Config) { c.Standby = true })
		_, err := s.List(t.Context(), &leasev1.ListRequest{})
		require.ErrorIs(t, err, errdefs.ErrNoLeader)
		require.Zero(t, f.entries(isAcquire))
		s.TakeOver()
		elapse(0)
		require.True(t, s.Active())
		s.TakeOver()
		elapse(time.Minute)
		require.Equal(t, 1, f.entries(isAcquire))
	})
}

// After an outcome that stayed unknown, a new epoch that follows directly must leave deadlines as they are. Fail one
// revoke; the other lease must not get its time again.
func TestNewEpochOfOwnKeepsDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newStore()
		s, _ := run(t, f, nil)
		grant(t, s, 1, 5)
		grant(t, s, 2, 10)
		var failed atomic.Bool
		f.set(func(h *hooks) {
			h.before = func(_ context.Context, c *command) error {
				if isRevoke(c) && failed.CompareAndSwap(false, true) {
					return errdefs.ErrTimeout
				}
				return nil
			}
		})
		elapse(9 * time.Second)
		require.Equal(t, 2, f.entries(isAcquire))
		require.False(t, f.exists(1))
		require.Equal(t, int64(1), timeToLive(t, s, 2))
		elapse(1200 * time.Millisecond)
		require.False(t, f.exists(2))
	})
}

// When the epoch does not follow directly, another may have held it and made promises: all leases must get their time
// again. The answer to one acquisition is lost, which looks the same.
func TestNewEpochNotFollowingGivesAllTimeAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newStore()
		s, _ := run(t, f, nil)
		grant(t, s, 1, 5)
		grant(t, s, 2, 10)
		keepAlive(t, s, 1, 2)
		f.set(func(h *hooks) {
			h.after = func(_ context.Context, c *command) error {
				if isCheckpoint(c) {
					return nil
				}
				if isRevoke(c) {
					return errdefs.ErrTimeout
				}
				f.set(func(h *hooks) { h.after = nil })
				return errdefs.ErrTimeout // of the acquisition
			}
		})
		elapse(6 * time.Second)
		require.Equal(t, 3, f.entries(isAcquire))
		require.False(t, f.exists(1))
		require.GreaterOrEqual(t, timeToLive(t, s, 2), int64(9))
	})
}

// Starting must go on until the store takes the acquisition and lists the leases. A store that refuses for a while.
func TestAcquireIsRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newStore()
		f.set(func(h *hooks) { h.before = func(context.Context, *command) error { return errdefs.ErrNoLeader } })
		s, _ := run(t, f, nil)
		elapse(time.Minute)
		require.False(t, s.Active())
		f.set(func(h *hooks) { h.before = nil })
		elapse(retryPauseMax)
		require.True(t, s.Active())
	})
}

// gate is a store behind a gate: while it is shut, calls wait.
type gate struct {
	*store
	shutting atomic.Pointer[chan struct{}]
}

func (g *gate) shut() {
	c := make(chan struct{})
	g.shutting.Store(&c)
}

func (g *gate) open() { close(*g.shutting.Swap(nil)) }

func (g *gate) Propose(ctx context.Context, req *proposeRequest) (*proposeResponse, error) {
	if err := g.pass(ctx); err != nil {
		return nil, err
	}
	return g.store.Propose(ctx, req)
}

func (g *gate) ReadIndex(ctx context.Context, req *readIndexRequest) (*readIndexResponse, error) {
	if err := g.pass(ctx); err != nil {
		return nil, err
	}
	return g.store.ReadIndex(ctx, req)
}

func (g *gate) pass(ctx context.Context) error {
	if c := g.shutting.Load(); c != nil {
		return await(ctx, *c)
	}
	return nil
}

// A holder that was replaced and does not know it must not grant a lease that the next holder has not heard of: its
// keep-alives would be answered with nothing. Take over behind the holder's back, then grant.
func TestReplacedHolderGrantsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newStore()
		s, _ := run(t, f, nil)
		grant(t, s, 1, 10)
		_, err := f.apply(&command{Command: &consensusv1.Command_LeaseAcquire{LeaseAcquire: &consensusv1.LeaseAcquireOp{Holder: "another"}}})
		require.NoError(t, err)
		_, err = s.Grant(t.Context(), &leasev1.GrantRequest{Id: 2, Ttl: 10})
		require.ErrorIs(t, err, errdefs.ErrNoLeader)
		leases, err := f.Leases(t.Context(), &consensusv1.LeasesRequest{})
		require.NoError(t, err)
		require.Len(t, leases.GetLeases(), 1)
	})
}

// Goal: a holder that stepped down and took over again while it acquired does not hold with the empty table that stepping
// down left ("every lease is answered with 0"). Method: holding begins after the time it was for has ended.
func TestNobodyWorksInAnEndedTime(t *testing.T) {
	s, err := New(Config{Consensus: newStore(), Holder: "one", Standby: true, MinTTL: 1, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	s.TakeOver()
	ended, end := context.WithCancel(t.Context())
	end()
	require.ErrorIs(t, s.work(ended, 7), lessor.ErrSteppedDown)
	status, _ := s.core.status()
	require.Equal(t, lessor.Acquiring, status.Role, "it begins anew")
}
