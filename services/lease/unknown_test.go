package lease

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/quoratedb/quorate/pkg/errdefs"
	leasev1 "github.com/quoratedb/quorate/pkg/gen/quorate/lease/v1"
)

// A keep-alive must never answer that there is no lease for one that exists, nor may the other answers. The answer to a grant is
// lost, and the store cannot be asked for its leases for a while: "0 for up to a minute".
func TestLostGrantIsNotDenied(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &outage{store: newStore()}
		s, _ := run(t, o.store, func(c *Config) { c.Consensus = o })
		elapse(2 * time.Second)
		o.set(func(h *hooks) {
			h.after = func(_ context.Context, c *command) error {
				if c.GetLeaseGrant() != nil {
					return errdefs.ErrLeaderChanged
				}
				return nil
			}
		})
		o.listDown.Store(true)
		_, err := s.Grant(t.Context(), &leasev1.GrantRequest{Id: 42, Ttl: 30})
		require.ErrorIs(t, err, errdefs.ErrLeaderChanged)
		require.True(t, o.exists(42))
		answers := make(chan func(), 3)
		go func() {
			kept := keepAlive(t, s, 42)
			answers <- func() { require.Equal(t, []int64{30}, kept) }
		}()
		go func() {
			left := timeToLive(t, s, 42)
			answers <- func() { require.Positive(t, left) }
		}()
		go func() {
			list, err := s.List(t.Context(), &leasev1.ListRequest{})
			answers <- func() {
				require.NoError(t, err)
				require.Equal(t, []int64{42}, list.GetIds())
			}
		}()
		elapse(3 * time.Second)
		require.Empty(t, answers)
		o.listDown.Store(false)
		elapse(retryPauseMax)
		for range 3 {
			(<-answers)()
		}
	})
}

// A lease that is refused because it exists, and that the service does not know, must be looked for at once. Make one behind
// its back.
func TestExistingLeaseIsLookedForAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newStore()
		s, _ := run(t, f, nil)
		_, err := f.apply(grantCommand(42, 30))
		require.NoError(t, err)
		_, err = s.Grant(t.Context(), &leasev1.GrantRequest{Id: 42, Ttl: 30})
		require.ErrorIs(t, err, errdefs.ErrLeaseExists)
		require.Equal(t, []int64{30}, keepAlive(t, s, 42))
	})
}

// A grant that was given up for lost must not take effect once it has been told that there is no such lease. Hold one back until
// then.
func TestLateGrantIsFenced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newStore()
		s, _ := run(t, f, nil)
		var late atomic.Pointer[command]
		f.set(func(h *hooks) {
			h.before = func(_ context.Context, c *command) error {
				if c.GetLeaseGrant() != nil && late.CompareAndSwap(nil, c) {
					return errdefs.ErrTimeout // it waits in some member's queue
				}
				return nil
			}
		})
		_, err := s.Grant(t.Context(), &leasev1.GrantRequest{Id: 5, Ttl: 60})
		require.ErrorIs(t, err, errdefs.ErrTimeout)
		require.Equal(t, []int64{0}, keepAlive(t, s, 5))
		_, err = f.apply(late.Load())
		require.ErrorIs(t, err, errdefs.ErrStaleEpoch)
	})
}

// A client's revoke whose outcome stayed unknown must not end a lease that is granted later under the same id. Hold one back
// until then.
func TestLateRevokeEndsNoLaterLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newStore()
		s, _ := run(t, f, nil)
		grant(t, s, 5, 60)
		var late atomic.Pointer[command]
		f.set(func(h *hooks) {
			h.before = func(_ context.Context, c *command) error {
				if isRevoke(c) && late.CompareAndSwap(nil, c) {
					return errdefs.ErrLeaderChanged // it waits in some member's queue
				}
				return nil
			}
		})
		_, err := s.Revoke(t.Context(), &leasev1.RevokeRequest{Id: 5})
		require.ErrorIs(t, err, errdefs.ErrLeaderChanged)
		grant(t, s, 5, 60) // waits until the first one is revoked for certain
		f.attach(5, "lock")
		_, err = f.apply(late.Load())
		require.ErrorIs(t, err, errdefs.ErrStaleEpoch)
		require.True(t, f.exists(5))
		require.Equal(t, []int64{60}, keepAlive(t, s, 5))
		require.Equal(t, 2, f.entries(isAcquire), "one epoch more")
	})
}

// A client that leaves while its grant is under way must not cost an epoch: the outcome is learnt all the same. Leave amid one.
func TestClientThatLeavesCostsNoEpoch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newStore()
		s, _ := run(t, f, nil)
		f.set(func(h *hooks) {
			h.after = func(ctx context.Context, c *command) error {
				if c.GetLeaseGrant() != nil {
					return pause(ctx, time.Second)
				}
				return nil
			}
		})
		ctx, leave := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer leave()
		_, _ = s.Grant(ctx, &leasev1.GrantRequest{Id: 5, Ttl: 60})
		require.Equal(t, []int64{60}, keepAlive(t, s, 5))
		require.Equal(t, 1, f.entries(isAcquire))
	})
}
