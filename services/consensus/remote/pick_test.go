package remote

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/pkg/rpc/balancer"
	"github.com/quoratedb/quorate/pkg/rpc/resolver"
)

// at is a member that is reached at an endpoint, and where it stands.
func at(rank int, id, leader, term uint64) *member {
	return &member{
		Node:     &resolver.Node{Rank: rank},
		Standing: &consensusv1.Standing{MemberId: id, LeaderId: leader, RaftTerm: term},
	}
}

// Goal: API nodes beside three members tell the status of three members ("found duplicated members" by etcdctl endpoint status
// --cluster), and none that of a member that is cut off. Method: views of members, in the order in which they connected.
func TestNearestMemberTellsItsStatus(t *testing.T) {
	for name, tc := range map[string]struct {
		members []*member
		want    uint64
	}{
		"first named, connected last": {[]*member{at(2, 13, 12, 3), at(1, 12, 12, 3), at(0, 11, 12, 3)}, 11},
		"first is away":               {[]*member{at(2, 13, 13, 3), at(1, 12, 13, 3)}, 12},
		"first sees no leader":        {[]*member{at(0, 11, 0, 4), at(2, 13, 13, 3), at(1, 12, 13, 3)}, 12},
		"first was left behind":       {[]*member{at(0, 11, 11, 2), at(1, 12, 13, 3), at(2, 13, 13, 3)}, 12},
		"one name for all":            {[]*member{at(0, 11, 12, 3), at(0, 12, 12, 3), at(0, 13, 12, 3)}, 12},
		"nobody sees a leader":        {[]*member{at(1, 12, 0, 3), at(0, 11, 0, 3)}, 12},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, tc.want, nearest{}.Pick(tc.members).Standing.GetMemberId())
		})
	}
	require.Nil(t, nearest{}.Pick(nil))
}

// Goal: an API node tells the status of the member that it names first from its first answer on ("found duplicated members" of three that had just
// started), and of another one if that is away. Method: views as members connect, by a clock that stands still meanwhile.
func TestNearestMemberIsAwaited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		second, first := at(1, 12, 12, 3), at(0, 11, 0, 3)
		view, changed := atomic.Pointer[balancer.View[*consensusv1.Standing]]{}, make(chan struct{})
		view.Store(&balancer.View[*consensusv1.Standing]{Changed: changed})
		change := func(members ...*member) {
			before := changed
			changed = make(chan struct{})
			view.Store(&balancer.View[*consensusv1.Standing]{Backends: members, Changed: changed})
			close(before)
			synctest.Wait()
		}
		known := make(chan struct{})
		go func() { awaitNearest(t.Context(), view.Load); close(known) }()
		unknown := func() {
			select {
			case <-known:
				require.FailNow(t, "somebody else was taken for the nearest")
			default:
			}
		}
		change(second)
		unknown()
		change(second, first)
		unknown()
		first.Standing.LeaderId = 12
		change(second, first)
		<-known

		began := time.Now()
		view.Store(&balancer.View[*consensusv1.Standing]{Backends: []*member{second}, Changed: changed})
		awaitNearest(t.Context(), view.Load)
		require.Equal(t, gatherTime, time.Since(began))
	})
}
