package quorate

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	leasev1 "github.com/quoratedb/quorate/pkg/gen/quorate/lease/v1"
	"github.com/quoratedb/quorate/pkg/rpc/balancer/balancertest"
	"github.com/quoratedb/quorate/services/consensus"
	"github.com/quoratedb/quorate/services/lease"
)

// openStore runs a cluster of one, without a server around it.
func openStore(t *testing.T) *consensus.Member {
	t.Helper()
	m, err := consensus.New(consensus.Config{
		DataDir: t.TempDir(), Name: "alone", ClusterID: 0xc1, MemberID: 0xa1,
		Members:           []*consensusv1.Member{{Id: 0xa1, Name: "alone", PeerUrls: []string{"http://127.0.0.1:2380"}}},
		HeartbeatInterval: 10 * time.Millisecond, ElectionTicks: 10,
	})
	require.NoError(t, err)
	running(t, m.Run)
	<-m.Ready()
	return m
}

// holder runs a lease service on a store. It holds the leases when it returns.
func holder(t *testing.T, store lease.Consensus, name string) *lease.Service {
	t.Helper()
	s, err := lease.New(lease.Config{Consensus: store, Holder: name, MinTTL: 1, CheckpointInterval: time.Second})
	require.NoError(t, err)
	running(t, s.Run)
	_, err = s.List(t.Context(), &leasev1.ListRequest{})
	require.NoError(t, err)
	return s
}

func running(t *testing.T, run func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- run(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-ended)
	})
}

// frozen is the store of a holder that is frozen when it is about to revoke what has expired, until it is woken.
type frozen struct {
	*consensus.Member
	asleep sync.Once
	about  chan struct{} // closed when it is
	woken  chan struct{}
	// outcome is what came of the revoke.
	outcome chan error
}

func (f *frozen) Propose(ctx context.Context, r *consensusv1.ProposeRequest) (*consensusv1.ProposeResponse, error) {
	if r.GetCommand().GetLeaseRevoke() == nil {
		return f.Member.Propose(ctx, r)
	}
	f.asleep.Do(func() {
		close(f.about)
		<-f.woken
	})
	response, err := f.Member.Propose(context.WithoutCancel(ctx), r)
	f.outcome <- err
	return response, err
}

// Goal: a holder of the leases that was frozen with a revoke on its lips cannot revoke, when it wakes up, what the next holder has
// kept alive. Method: two holders on a real store, the first of which is held just before it proposes.
func TestWokenHolderRevokesNoLiveLease(t *testing.T) {
	const ttl = 3 // seconds, in which a busy machine gets from one keep-alive to the next
	ctx := t.Context()
	store := openStore(t)
	asleep := &frozen{Member: store, about: make(chan struct{}), woken: make(chan struct{}), outcome: make(chan error, 16)}
	old := holder(t, asleep, "old")
	granted, err := old.Grant(ctx, &leasev1.GrantRequest{Ttl: ttl})
	require.NoError(t, err)
	_, err = store.Propose(ctx, &consensusv1.ProposeRequest{Command: &consensusv1.Command{Command: &consensusv1.Command_Put{
		Put: &consensusv1.PutOp{Key: []byte("key"), Lease: granted.GetId()},
	}}})
	require.NoError(t, err)
	<-asleep.about

	next := holder(t, store, "next")
	keepAlive := func() {
		t.Helper()
		kept, err := next.KeepAlive(ctx, &leasev1.KeepAliveRequest{Ids: []int64{granted.GetId()}})
		require.NoError(t, err)
		require.Equal(t, []int64{ttl}, kept.GetTtls())
	}
	keepAlive()
	close(asleep.woken)
	require.ErrorIs(t, <-asleep.outcome, errdefs.ErrStaleEpoch)
	keepAlive()
	left, err := next.TimeToLive(ctx, &leasev1.TimeToLiveRequest{Id: granted.GetId(), Keys: true})
	require.NoError(t, err)
	require.Equal(t, [][]byte{[]byte("key")}, left.GetKeys())
	_, err = old.KeepAlive(ctx, &leasev1.KeepAliveRequest{Ids: []int64{granted.GetId()}})
	require.ErrorIs(t, err, errdefs.ErrNoLeader, "the one that woke up has stepped down")
}

// Goal: a leader never goes without the leases that all requests are sent to it for (grants timed out until the next election, after a
// frozen leader had woken up). Method: an acquisition that comes late takes them from a leader; then leadership moves away and back.
func TestLeaderTakesTheLeasesBack(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	store, leads := openStore(t), balancertest.NewLeadership(1)
	ours, err := lease.New(lease.Config{Consensus: store, Holder: "ours", Standby: true})
	require.NoError(t, err)
	running(t, ours.Run)
	running(t, func(ctx context.Context) error { return ours.FollowLeader(ctx, leads) })
	// grant returns the epoch under which it was done.
	grant := func() uint64 {
		t.Helper()
		for {
			_, err := ours.Grant(ctx, &leasev1.GrantRequest{Ttl: 60})
			if err == nil {
				epoch, _, _ := ours.Standing()
				return epoch
			}
			require.NoError(t, ctx.Err())
			require.True(t, errors.Is(err, errdefs.ErrNoLeader) || errors.Is(err, errdefs.ErrLeaderChanged), err)
		}
	}
	epoch := grant()
	_, err = store.Propose(ctx, &consensusv1.ProposeRequest{Command: &consensusv1.Command{Command: &consensusv1.Command_LeaseAcquire{
		LeaseAcquire: &consensusv1.LeaseAcquireOp{Holder: "late"},
	}}})
	require.NoError(t, err)
	for grant() < epoch+2 { // for a moment it may not know
	}

	leads.Set(2)
	for active := true; active; {
		var changed <-chan struct{}
		if _, active, changed = ours.Standing(); active {
			<-changed
		}
	}
	_, err = ours.Grant(ctx, &leasev1.GrantRequest{Ttl: 60})
	require.ErrorIs(t, err, errdefs.ErrNoLeader)
	leads.Set(1)
	grant()
}

// Goal: a day-long lease that nobody renews does not get its day again from the next holder, but one that was renewed since does.
// Method: a second holder on a real store, once the first one has recorded what is left.
func TestNextHolderGoesOnFromTheCheckpoint(t *testing.T) {
	const day = 24 * 3600
	ctx := t.Context()
	store := openStore(t)
	first := holder(t, store, "first")
	var ids []int64
	for range 2 {
		granted, err := first.Grant(ctx, &leasev1.GrantRequest{Ttl: day})
		require.NoError(t, err)
		ids = append(ids, granted.GetId())
	}
	recorded := map[int64]int64{}
	for len(recorded) < len(ids) {
		all, err := store.Leases(ctx, &consensusv1.LeasesRequest{})
		require.NoError(t, err)
		for _, l := range all.GetLeases() {
			if l.GetRemainingTtl() > 0 {
				recorded[l.GetId()] = l.GetRemainingTtl()
			}
		}
	}
	_, err := first.KeepAlive(ctx, &leasev1.KeepAliveRequest{Ids: ids[1:]})
	require.NoError(t, err)

	next := holder(t, store, "next")
	left := func(id int64) int64 {
		t.Helper()
		answer, err := next.TimeToLive(ctx, &leasev1.TimeToLiveRequest{Id: id})
		require.NoError(t, err)
		return answer.GetTtl()
	}
	require.Less(t, recorded[ids[0]], int64(day))
	require.LessOrEqual(t, left(ids[0]), recorded[ids[0]])
	require.GreaterOrEqual(t, left(ids[1]), recorded[ids[1]])
}
