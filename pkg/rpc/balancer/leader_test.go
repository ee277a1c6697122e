package balancer

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/quoratedb/quorate/pkg/errdefs"
	"github.com/quoratedb/quorate/pkg/rpc/balancer/balancertest"
)

// after has another one lead in a while.
func after(d time.Duration, l *balancertest.Leadership, to uint64) {
	time.AfterFunc(d, func() { l.Set(to) })
}

func hang(ctx context.Context) (uint64, error)   { <-ctx.Done(); return 0, ctx.Err() }
func refused(context.Context) (uint64, error)    { return 0, errdefs.ErrLeaderChanged }
func cancelled(context.Context) (uint64, error)  { return 0, context.Canceled }
func stopping(context.Context) (uint64, error)   { return 0, errdefs.ErrStopped }
func notLeading(context.Context) (uint64, error) { return 0, errdefs.ErrNoLeader }

// How the calls of these tests may be made.
var (
	atMostOnce = RetryPolicy{Retryable: []error{errdefs.ErrNoLeader}}
	harmless   = RetryPolicy{Idempotent: true, Retryable: []error{errdefs.ErrNoLeader, errdefs.ErrLeaderChanged}}
)

// at has member 2 behave in a way, and the others answer with their ids.
func at(two func(context.Context) (uint64, error)) func(context.Context, uint64) (uint64, error) {
	return func(ctx context.Context, id uint64) (uint64, error) {
		if id == 2 {
			return two(ctx)
		}
		return id, nil
	}
}

// Goal: what may be done twice is done by the next leader when one is lost, in whichever way (a keep-alive must not end its stream
// with "request canceled"); the caller learns that the leader changed where it may not. Method: a leader that hangs, or ends, until another leads.
func TestLostLeaderIsReplaced(t *testing.T) {
	for name, two := range map[string]func(context.Context) (uint64, error){
		"frozen": hang, "crashed": refused, "ended amid the request": cancelled, "stopping": stopping,
	} {
		for _, next := range []uint64{1, 3} {
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					l := balancertest.NewLeadership(2)
					after(time.Second, l, 0)
					after(2*time.Second, l, next)
					begin := time.Now()
					by, err := AtLeader(t.Context(), l, harmless, at(two))
					require.NoError(t, err)
					require.Equal(t, next, by)
					require.Equal(t, 2*time.Second, time.Since(begin))
				})
				synctest.Test(t, func(t *testing.T) {
					l := balancertest.NewLeadership(2)
					after(2*time.Second, l, next)
					_, err := AtLeader(t.Context(), l, atMostOnce, at(two))
					require.ErrorIs(t, err, errdefs.ErrLeaderChanged)
					require.NotErrorIs(t, err, context.Canceled)
				})
			})
		}
	}
}

// Goal: what was certainly not done is tried again, whatever it is, while there is no leader, and in vain no longer than the caller
// waits. Method: a leader that leads no more, and nobody, with and without a successor.
func TestNoLeaderIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := balancertest.NewLeadership(2)
		after(time.Second, l, 0)
		after(2*time.Second, l, 3)
		by, err := AtLeader(t.Context(), l, atMostOnce, at(notLeading))
		require.NoError(t, err)
		require.Equal(t, uint64(3), by)
	})
	for name, two := range map[string]func(context.Context) (uint64, error){"hangs": hang, "does not lead": notLeading, "crashed": refused} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := balancertest.NewLeadership(2)
				ctx, cancel := context.WithTimeoutCause(t.Context(), 7*time.Second, errdefs.ErrTimeout)
				defer cancel()
				begin := time.Now()
				_, err := AtLeader(ctx, l, harmless, at(two))
				require.Error(t, err)
				require.True(t, errors.Is(err, errdefs.ErrTimeout) || errors.Is(err, context.DeadlineExceeded), err)
				require.Equal(t, 7*time.Second, time.Since(begin))
			})
		})
	}
}

// Goal: a caller that leaves is believed. Method: cancel the call of a leader that hangs.
func TestCallerMayLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		_, err := AtLeader(ctx, balancertest.NewLeadership(2), harmless, at(hang))
		require.ErrorIs(t, err, context.Canceled)
	})
}
