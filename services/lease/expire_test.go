package lease

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/quoratedb/quorate/pkg/errdefs"
	leasev1 "github.com/quoratedb/quorate/pkg/gen/quorate/lease/v1"
)

// 100,000 leases that expire in one second must be gone within five, in few log entries, on a store that takes a while
// for each. The store waits 40 ms a revoke.
func TestMassExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const leases = 100_000
		f := newStore()
		s, _ := run(t, f, nil)
		for i := range leases {
			if i%100 == 0 {
				elapse(time.Millisecond)
			}
			grant(t, s, int64(i+1), 10)
		}
		f.set(func(h *hooks) {
			h.before = func(_ context.Context, c *command) error {
				if isRevoke(c) {
					require.LessOrEqual(t, len(c.GetLeaseRevoke().Ids), revokeLeasesMaxDefault)
					<-time.After(40 * time.Millisecond)
				}
				return nil
			}
		})
		elapse(9 * time.Second)
		require.Equal(t, leases, f.count(), "the first expires now")
		elapse(6 * time.Second)
		require.Zero(t, f.count())
		require.LessOrEqual(t, f.entries(isRevoke), leases/revokeLeasesMaxDefault+20)
	})
}

// Only a few revokes may wait at once, and leases whose revoke is not proposed yet can still be saved. A store that
// holds revokes back.
func TestKeepAliveSavesUntilRevokeIsProposed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newStore()
		s, _ := run(t, f, func(c *Config) { c.RevokeLeasesMax, c.RevokesInFlightMax = 2, 2 })
		for id := range int64(6) {
			grant(t, s, id+1, 5+id/2)
		}
		held := make(chan struct{})
		var waiting atomic.Int64
		f.set(func(h *hooks) {
			h.before = func(_ context.Context, c *command) error {
				if isRevoke(c) {
					waiting.Add(1)
					<-held
				}
				return nil
			}
		})
		elapse(8 * time.Second)
		require.Equal(t, int64(2), waiting.Load())
		require.Equal(t, int64(0), timeToLive(t, s, 6))
		require.Equal(t, []int64{7, 7}, keepAlive(t, s, 5, 6), "expired, but nobody proposed to revoke them")
		atOnce, err := s.KeepAlive(t.Context(), &leasev1.KeepAliveRequest{Ids: []int64{1, 5, 9, 4}, NoWait: true})
		require.NoError(t, err)
		require.Equal(t, []int64{-1, 7, 0, -1}, atOnce.GetTtls())
		answered := make(chan []int64)
		go func() { answered <- keepAlive(t, s, 1, 5, 4) }()
		elapse(3 * time.Second)
		select {
		case ttls := <-answered:
			require.Fail(t, "answered before the outcome of a revoke is known", "%v", ttls)
		default:
		}
		close(held)
		require.Equal(t, []int64{0, 7, 0}, <-answered)
		require.Equal(t, 2, f.count())
	})
}

// A keep-alive that waits for the outcome of a revoke must give up in time. The outcome never comes.
func TestKeepAliveOfRevokedLeaseTimesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newStore()
		s, stop := run(t, f, nil)
		grant(t, s, 1, 5)
		f.set(func(h *hooks) {
			h.before = func(ctx context.Context, c *command) error {
				<-ctx.Done()
				return ctx.Err()
			}
		})
		elapse(6 * time.Second)
		_, err := s.KeepAlive(t.Context(), &leasev1.KeepAliveRequest{Ids: []int64{1}})
		require.ErrorIs(t, err, errdefs.ErrTimeout)
		answered := make(chan error)
		go func() {
			_, err := s.KeepAlive(t.Context(), &leasev1.KeepAliveRequest{Ids: []int64{1}})
			answered <- err
		}()
		elapse(time.Second)
		stop()
		require.ErrorIs(t, <-answered, errdefs.ErrStopped)
		require.True(t, f.exists(1))
	})
}

// Revokes that fail must be repeated until they succeed, and the lease must not come back to life meanwhile, whether
// the failure leaves the outcome open or not. A store that fails some revokes, before or after they took effect.
func TestRevokeIsRepeated(t *testing.T) {
	for name, failure := range map[string]error{
		"refused": errdefs.ErrTooManyRequests, "timeout": errdefs.ErrTimeout, "unknown": errors.New("disk on fire"),
	} {
		for _, effective := range []bool{false, true} {
			if effective && failure == errdefs.ErrTooManyRequests {
				continue // it promises no effect
			}
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					f := newStore()
					s, _ := run(t, f, nil)
					grant(t, s, 1, 5)
					grant(t, s, 2, 60)
					failures := 0
					fail := func(_ context.Context, c *command) error {
						if isRevoke(c) && failures < 5 {
							failures++
							<-time.After(100 * time.Millisecond)
							return failure
						}
						return nil
					}
					if effective {
						f.set(func(h *hooks) { h.after = fail })
					} else {
						f.set(func(h *hooks) { h.before = fail })
					}
					elapse(5100 * time.Millisecond)
					require.Equal(t, []int64{0, 60}, keepAlive(t, s, 1, 2))
					require.False(t, f.exists(1))
					require.Equal(t, 5, failures)
					require.Equal(t, int64(1), grant(t, s, 1, 5), "nothing is under way for the id any more")
				})
			})
		}
	}
}

// A revoke that is never answered must not hold up expiry for good. The store leaves the first one unanswered.
func TestRevokeWithoutAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newStore()
		s, _ := run(t, f, nil)
		grant(t, s, 1, 5)
		silent := true
		f.set(func(h *hooks) {
			h.before = func(ctx context.Context, c *command) error {
				if isRevoke(c) && silent {
					silent = false
					<-ctx.Done()
					return ctx.Err()
				}
				return nil
			}
		})
		elapse(5*time.Second + requestTimeoutDefault + time.Second)
		require.False(t, silent)
		require.False(t, f.exists(1))
	})
}

// A client's revoke whose outcome is unknown must take place for certain, and the lease must not be renewed from then
// on. The store loses the first revoke.
func TestClientRevokeOfUnknownOutcome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newStore()
		s, _ := run(t, f, nil)
		grant(t, s, 1, 500)
		lost := false
		f.set(func(h *hooks) {
			h.before = func(_ context.Context, c *command) error {
				if isRevoke(c) && !lost {
					lost = true
					return errdefs.ErrTimeout
				}
				return nil
			}
		})
		_, err := s.Revoke(t.Context(), &leasev1.RevokeRequest{Id: 1})
		require.ErrorIs(t, err, errdefs.ErrTimeout)
		require.Equal(t, []int64{0}, keepAlive(t, s, 1))
		require.False(t, f.exists(1))
	})
}

// A grant whose outcome is unknown must not leave a lease that nobody expires. The store grants, but does not say so.
func TestGrantOfUnknownOutcomeIsFound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newStore()
		s, _ := run(t, f, nil)
		f.set(func(h *hooks) { h.after = func(_ context.Context, c *command) error { return errdefs.ErrTimeout } })
		_, err := s.Grant(t.Context(), &leasev1.GrantRequest{Id: 7, Ttl: 5})
		require.ErrorIs(t, err, errdefs.ErrTimeout)
		f.set(func(h *hooks) { h.after = nil })
		elapse(3 * time.Second)
		require.True(t, f.exists(7))
		require.Equal(t, []int64{5}, keepAlive(t, s, 7))
		elapse(6 * time.Second)
		require.False(t, f.exists(7))
	})
}

// What changes behind the service's back must be noticed by the next comparison. Grant and revoke directly.
func TestReconcile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newStore()
		s, _ := run(t, f, nil)
		grant(t, s, 1, 500)
		grant(t, s, 2, 500)
		_, err := f.apply(grantCommand(3, 200))
		require.NoError(t, err)
		_, err = f.apply(revokeCommand(0, 1))
		require.NoError(t, err)
		elapse(reconcileIntervalDefault + 2*time.Second)
		require.Equal(t, []int64{0, 500, 200}, keepAlive(t, s, 1, 2, 3))
	})
}

// A comparison must not undo what happens while its list is on the way. Grant, revoke, and both in turn, meanwhile.
func TestReconcileDuringChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newStore()
		s, _ := run(t, f, nil)
		grant(t, s, 1, 500)
		grant(t, s, 2, 500)
		lists := 0
		f.set(func(h *hooks) {
			h.listed = func() {
				lists++
				grant(t, s, 3, 500)
				for _, id := range []int64{1, 2} {
					_, err := s.Revoke(t.Context(), &leasev1.RevokeRequest{Id: id})
					require.NoError(t, err)
				}
				grant(t, s, 2, 400)
				f.set(func(h *hooks) { h.listed = nil })
			}
		})
		elapse(reconcileIntervalDefault + 2*time.Second)
		require.Equal(t, 1, lists)
		require.Equal(t, []int64{0, 400, 500}, keepAlive(t, s, 1, 2, 3))
	})
}
