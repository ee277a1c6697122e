package quorate_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/api/v3/etcdserverpb"

	"github.com/quoratedb/quorate/services/quorate"
)

// Goal: learners that were started with the flag become voters by themselves, several at once, while leadership moves, and
// after a restart too; a voter does not mind the flag. Method: three founders and two learners, and a client that moves
// leadership until all five vote.
func TestLearnersPromoteThemselves(t *testing.T) {
	configs := static(t, 3)
	for i := range configs {
		configs[i].PromoteWhenCaughtUp = true
	}
	founders := startAll(t, configs)
	members := etcdserverpb.NewClusterClient(dial(t, founders[0].ClientURLs()[0], nil))
	put(t, dial(t, founders[0].ClientURLs()[0], nil), "a", "1")

	var learners []quorate.Config
	for i, host := range hosts(2) {
		c := memberConfig(t, fmt.Sprintf("learner%d", i), host)
		c.InitialCluster = strings.Join([]string{configs[0].InitialCluster, c.Name + "=" + c.InitialAdvertisePeerURLs[0]}, ",")
		c.InitialClusterState = quorate.ClusterExisting
		_, err := members.MemberAdd(t.Context(), &etcdserverpb.MemberAddRequest{PeerURLs: c.InitialAdvertisePeerURLs, IsLearner: true})
		require.NoError(t, err)
		learners = append(learners, c)
	}
	without := startAll(t, learners)
	voters := func() int {
		for {
			list, err := members.MemberList(t.Context(), &etcdserverpb.MemberListRequest{Linearizable: true})
			if err != nil { // leadership moves
				require.NoError(t, t.Context().Err())
				continue
			}
			return len(slices.DeleteFunc(list.Members, func(m *etcdserverpb.Member) bool { return m.IsLearner }))
		}
	}
	require.Equal(t, 3, voters(), "without the flag nobody is promoted")
	for i := range learners {
		require.NoError(t, without[i].Close())
		learners[i].PromoteWhenCaughtUp = true
	}
	with := startAll(t, learners)
	var asked []etcdserverpb.MaintenanceClient
	var ids []uint64
	for _, founder := range founders {
		maintenance := etcdserverpb.NewMaintenanceClient(dial(t, founder.ClientURLs()[0], nil))
		status, err := maintenance.Status(t.Context(), &etcdserverpb.StatusRequest{})
		require.NoError(t, err)
		asked, ids = append(asked, maintenance), append(ids, status.Header.MemberId)
	}
	for round := 0; voters() < 5; round++ {
		for _, each := range asked { // one of them leads, the others refuse
			_, _ = each.MoveLeader(t.Context(), &etcdserverpb.MoveLeaderRequest{TargetID: ids[round%3]})
		}
	}
	require.Equal(t, "1", get(t, dial(t, with[0].ClientURLs()[0], nil), "a"))
}
