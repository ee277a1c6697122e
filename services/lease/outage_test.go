package lease

import (
	"context"
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

// outage is a store that nobody can reach for a while, or that cannot list leases.
type outage struct {
	*store
	down, listDown atomic.Bool
	slow           atomic.Int64 // how long ReadIndex takes, a time.Duration
}

func (o *outage) reach(ctx context.Context) error {
	if o.down.Load() {
		<-ctx.Done()
		return context.Cause(ctx)
	}
	return nil
}

func (o *outage) Propose(ctx context.Context, r *proposeRequest) (*proposeResponse, error) {
	if err := o.reach(ctx); err != nil {
		return nil, err
	}
	return o.store.Propose(ctx, r)
}

func (o *outage) ReadIndex(ctx context.Context, r *readIndexRequest) (*readIndexResponse, error) {
	if err := o.reach(ctx); err != nil {
		return nil, err
	}
	resp, err := o.store.ReadIndex(ctx, r)
	<-time.After(time.Duration(o.slow.Load()))
	return resp, err
}

func (o *outage) Leases(ctx context.Context, r *consensusv1.LeasesRequest) (*consensusv1.LeasesResponse, error) {
	if o.listDown.Load() {
		return nil, errdefs.ErrNoLeader
	}
	if err := o.reach(ctx); err != nil {
		return nil, err
	}
	return o.store.Leases(ctx, r)
}

// keepAsking keeps a lease alive every second, as a client does that gives each attempt up after a second, until stop.
func keepAsking(t *testing.T, s *Service, id int64, stop <-chan struct{}) {
	for {
		select {
		case <-stop:
			return
		case <-time.After(time.Second):
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		_, _ = s.KeepAlive(ctx, &leasev1.KeepAliveRequest{Ids: []int64{id}})
		cancel()
	}
}

// A lease whose client goes on asking must survive an outage of the store, however long ("0 of 100 left"): what cannot be
// confirmed does not count. One that nobody asks for ends once the store is back and its time is over. Cut the store off for
// several TTLs.
func TestOutageExpiresNoLiveLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const kept, ttl = 100, 5
		o := &outage{store: newStore()}
		s, _ := run(t, o.store, func(c *Config) { c.Consensus = o })
		stop := make(chan struct{})
		for id := int64(1); id <= kept; id++ {
			grant(t, s, id, ttl)
			go keepAsking(t, s, id, stop)
		}
		elapse(20 * time.Second)
		grant(t, s, 777, ttl)
		elapse(time.Second)
		o.down.Store(true)
		elapse(4 * ttl * time.Second)
		o.down.Store(false)
		elapse(time.Second)
		require.Equal(t, kept+1, o.count(), "right after the outage")
		elapse(2 * ttl * time.Second)
		require.Equal(t, kept, o.count(), "the one that nobody keeps is gone")
		require.False(t, o.exists(777))
		close(stop)
		elapse(2 * ttl * time.Second)
		require.Zero(t, o.count())
	})
}

// A store that takes longer than the hold's window to confirm an epoch must not keep the service from answering keep-alives, for
// ever, nor leases from ending: what was asked for after the request came answers it. Let every read index take twice the window.
func TestSlowConfirmationsAnswerAndExpire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &outage{store: newStore()}
		s, _ := run(t, o.store, func(c *Config) { c.Consensus = o })
		grant(t, s, 1, 60)
		grant(t, s, 2, 5)
		elapse(time.Second)
		o.slow.Store(int64(2 * lessor.ConfirmationValid))
		elapse(time.Second)
		for range 10 {
			elapse(time.Second)
			require.Equal(t, []int64{60}, keepAlive(t, s, 1))
		}
		require.False(t, o.exists(2))
		require.True(t, o.exists(1))
	})
}

// A process that was stopped for longer than its leases had left must not find them expired when it goes on: the clients'
// keep-alives wait for it. Stop all reads and the clock's progress with them, by a store that answers what was asked before.
func TestNothingExpiresBeforeTheEpochIsConfirmed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &outage{store: newStore()}
		s, _ := run(t, o.store, func(c *Config) { c.Consensus = o })
		grant(t, s, 1, 5)
		elapse(time.Second)
		o.down.Store(true)
		elapse(time.Minute)
		require.Zero(t, o.entries(isRevoke))
		status, _ := s.core.status()
		require.Zero(t, status.Revoking)
	})
}

// A machine that was suspended must ask before it answers, although its monotonic clock stood still: another holder may have
// taken over meanwhile. Move the wall clock alone.
func TestSuspendedHolderAsksBeforeItAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newStore()
		s, err := New(Config{Consensus: f, Holder: "suspended", MinTTL: 2})
		require.NoError(t, err)
		var suspended atomic.Int64
		machine := s.core.clock
		s.core.clock = func() (monotonic, wall time.Duration) {
			monotonic, wall = machine()
			return monotonic, wall + time.Duration(suspended.Load())
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- s.Run(ctx) }()
		grant(t, s, 1, 60)
		elapse(time.Second)
		require.Equal(t, []int64{60}, keepAlive(t, s, 1))

		suspended.Store(int64(time.Hour))
		_, err = f.apply(&command{Command: &consensusv1.Command_LeaseAcquire{LeaseAcquire: &consensusv1.LeaseAcquireOp{Holder: "another"}}})
		require.NoError(t, err)
		_, err = s.KeepAlive(t.Context(), &leasev1.KeepAliveRequest{Ids: []int64{1}})
		require.ErrorIs(t, err, errdefs.ErrNoLeader)
		cancel()
		require.NoError(t, <-ended)
	})
}

// A store that was replaced by an older state knows none of the holder's epochs: the hold must end, with an error in the log,
// and the next one begin with the leases that the store has now. Give the store the state of an hour ago.
func TestStoreThatWentBackEndsTheHold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMeeting(newStore())
		first := standBy(t, m, "first")
		elapse(2 * heartbeatInterval)
		require.True(t, first.Active())
		first.stop()
		s := standBy(t, m, "second") // of a second epoch
		elapse(2 * heartbeatInterval)
		require.True(t, s.Active())
		grant(t, s.Service, 1, 60)
		grant(t, s.Service, 2, 60)
		m.store.mu.Lock()
		m.store.mu.epoch = 0
		m.store.mu.leases = map[int64]*consensusv1.Lease{2: {Id: 2, GrantedTtl: 30}}
		m.store.mu.Unlock()
		elapse(lessor.ConfirmationValid)
		require.False(t, s.Active())
		elapse(failoverTimeout + 2*heartbeatInterval)
		require.True(t, s.Active())
		require.Equal(t, []int64{0, 30}, keepAlive(t, s.Service, 1, 2))
		epoch, _, _ := s.Standing()
		require.EqualValues(t, 1, epoch)
		grant(t, s.Service, 3, 60)
	})
}
