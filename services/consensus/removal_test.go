package consensus

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// The last member of a cluster that shrank does not wait for those that were removed: a removal that it knows of survives
// its end. One of two members is removed, the leader or the other; the one that stays is killed, or loses its power, as soon as it
// shows that it is alone, and comes back without the other.
func TestRemovalOfTheSecondLastSurvivesACrash(t *testing.T) {
	for _, leaderGoes := range []bool{false, true} {
		for _, unsynced := range []int{0, 100} {
			t.Run(fmt.Sprintf("leader goes=%v,unsynced kept=%d%%", leaderGoes, unsynced), func(t *testing.T) {
				_, members, disks := crashableCluster(t, 2)
				members[0].mustPut(t, "key", "value")
				leader := leaderOf(t, members)
				stays, goes := 0, 1
				if (members[0] == leader) == leaderGoes {
					stays, goes = 1, 0
				}
				_, err := leader.RemoveMember(t.Context(), &consensusv1.RemoveMemberRequest{Id: members[goes].MemberID()})
				require.NoError(t, err)
				require.Eventually(t, func() bool { return len(members[stays].members.List()) == 1 }, 30*time.Second, time.Millisecond)
				disk := disks[stays].CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: unsynced, RNG: rand.New(rand.NewPCG(1, 1))})

				cfg := members[stays].cfg
				cfg.FS, cfg.Transport = disk, newNetwork()
				again := launch(t, cfg)
				again.awaitReady(t)
				require.Len(t, again.members.List(), 1)
				require.Equal(t, "value", again.get(t, "key"))
			})
		}
	}
}
