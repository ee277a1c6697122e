package lease

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	leasev1 "github.com/quoratedb/quorate/pkg/gen/quorate/lease/v1"
)

// meeting is the leader that lease services meet at, as the consensus service does it.
type meeting struct {
	store *store
	mu    sync.Mutex
	epoch uint64
	heard time.Time
}

func newMeeting(f *store) *meeting { return &meeting{store: f} }

// at is the meeting as one service sees it, which may be cut off from it.
type at struct {
	*meeting
	cut *bool
}

func (a at) HoldLeases(ctx context.Context, req *consensusv1.HoldLeasesRequest) (*consensusv1.HoldLeasesResponse, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if *a.cut {
		return nil, errdefs.ErrNotLeader
	}
	index, err := a.store.ReadIndex(ctx, &consensusv1.ReadIndexRequest{})
	if err != nil {
		return nil, err
	}
	newest := index.GetLeaseEpoch()
	holds := req.GetEpoch() != 0 && req.GetEpoch() == newest
	if a.epoch != newest || holds {
		a.epoch, a.heard = newest, time.Now()
	}
	if holds && req.GetLeaving() {
		a.heard = time.Time{}
	}
	answer := &consensusv1.HoldLeasesResponse{Epoch: newest, Silence: int64(time.Since(a.heard))}
	if req.GetPatience() > 0 && answer.GetSilence() > req.GetPatience() {
		answer.TakeOver, a.heard = true, time.Now()
	}
	return answer, nil
}

func (a at) setCut(cut bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	*a.cut = cut
}

// standing is a service that takes part in the choice of the active one.
type standing struct {
	*Service
	at   at
	stop func() // in order: it leaves first
}

func standBy(t *testing.T, m *meeting, name string) *standing {
	t.Helper()
	s, err := New(Config{Consensus: m.store, Holder: name, Standby: true})
	require.NoError(t, err)
	made := &standing{Service: s, at: at{m, new(bool)}}
	ctx, leave := context.WithCancel(context.Background())
	running, end := context.WithCancel(context.Background())
	left, ended := make(chan error, 1), make(chan error, 1)
	go func() { left <- s.StandBy(ctx, made.at) }()
	go func() { ended <- s.Run(running) }()
	var once sync.Once
	made.stop = func() {
		once.Do(func() {
			leave()
			require.NoError(t, <-left)
			end()
			require.NoError(t, <-ended)
		})
	}
	t.Cleanup(made.stop)
	return made
}

func active(services ...*standing) (found []*standing) {
	for _, s := range services {
		if s.Active() {
			found = append(found, s)
		}
	}
	return found
}

// Of several services one becomes active, and stays it. Three, for a minute.
func TestOneServiceIsActive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMeeting(newStore())
		a, b, c := standBy(t, m, "a"), standBy(t, m, "b"), standBy(t, m, "c")
		elapse(2 * heartbeatInterval)
		first := active(a, b, c)
		require.Len(t, first, 1)
		epoch, _, _ := first[0].Standing()
		require.Equal(t, uint64(1), epoch, "one alone was told to take over")
		elapse(time.Minute)
		require.Equal(t, first, active(a, b, c))
		again, _, _ := first[0].Standing()
		require.Equal(t, epoch, again, "nobody took over")
	})
}

// A holder that is cut off from the store is replaced within three seconds, its leases live on, and when it is back it
// neither answers nor takes the leases back. Cut it off, keep a lease alive at the next one, and let it come back.
func TestSilentHolderIsReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMeeting(newStore())
		a := standBy(t, m, "a")
		elapse(2 * heartbeatInterval)
		require.True(t, a.Active())
		_, err := a.Grant(t.Context(), &leasev1.GrantRequest{Id: 7, Ttl: 5})
		require.NoError(t, err)
		b := standBy(t, m, "b")
		elapse(time.Minute / 20)
		require.False(t, b.Active())
		_, err = a.KeepAlive(t.Context(), &leasev1.KeepAliveRequest{Ids: []int64{7}})
		require.NoError(t, err)

		a.at.setCut(true)
		elapse(failoverTimeout - heartbeatInterval)
		require.False(t, b.Active(), "too early")
		elapse(3 * heartbeatInterval)
		require.True(t, b.Active(), "too late")
		kept, err := b.KeepAlive(t.Context(), &leasev1.KeepAliveRequest{Ids: []int64{7}})
		require.NoError(t, err)
		require.Equal(t, []int64{5}, kept.GetTtls())

		_, err = a.KeepAlive(t.Context(), &leasev1.KeepAliveRequest{Ids: []int64{7}})
		require.ErrorIs(t, err, errdefs.ErrNoLeader)
		a.at.setCut(false)
		elapse(time.Second)
		require.Equal(t, []*standing{b}, active(a, b))
	})
}

// A holder that stops says so, and nobody waits for its silence. Stop it in order.
func TestLeavingHolderIsReplacedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMeeting(newStore())
		a := standBy(t, m, "a")
		elapse(2 * heartbeatInterval)
		require.True(t, a.Active())
		b := standBy(t, m, "b")
		elapse(time.Second)
		a.stop()
		elapse(2 * heartbeatInterval)
		require.True(t, b.Active())
	})
}

// Where there is no leader to ask nobody takes over: it could not be active anyway. Cut both off.
func TestNobodyTakesOverWithoutALeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMeeting(newStore())
		a := standBy(t, m, "a")
		elapse(2 * heartbeatInterval)
		b := standBy(t, m, "b")
		a.at.setCut(true)
		b.at.setCut(true)
		elapse(time.Minute)
		require.Equal(t, []*standing{a}, active(a, b))
	})
}
