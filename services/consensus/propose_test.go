package consensus

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/stretchr/testify/require"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/consensus/internal/replication"
)

// inLine is how many commands wait to be put into a log entry.
func (r *running) inLine() int {
	n, _ := r.replica.Waiting()
	return n
}

// A follower passes a command on at once, whatever its own disk does: one whose log hangs in the middle of an append still
// gets a command to the leader, and the others commit it.
func TestFollowerPassesCommandsOnWhateverItsDiskDoes(t *testing.T) {
	disks := []*hangingDisk{newHangingDisk(), newHangingDisk(), newHangingDisk()}
	t.Cleanup(func() {
		for _, disk := range disks {
			disk.answer()
		}
	})
	_, members := clusterWith(t, 3, func(cfg *Config) {
		cfg.FS = errorfs.Wrap(cfg.FS, disks[cfg.MemberID-1])
	}, nil)
	leader, f := leaderOf(t, members), followerOf(t, members)
	disks[f.MemberID()-1].hang()
	leader.mustPut(t, "k", "committed by the others")
	disks[f.MemberID()-1].awaitHeld(t)
	passed, err := f.replica.Submit(put("k", "passed on"))
	require.NoError(t, err)
	require.Eventually(t, func() bool { return leader.get(t, "k") == "passed on" }, time.Minute, time.Millisecond)
	disks[f.MemberID()-1].answer()
	_, err = f.replica.Wait(t.Context(), passed)
	require.NoError(t, err)
}

// Large values that wait together share a sync, as small ones do: while the disk hangs with one put, twelve others of 1.5 MB
// gather, and the syncs of the log are counted from then on.
func TestLargeValuesShareSyncs(t *testing.T) {
	disk := newHangingDisk()
	t.Cleanup(disk.answer)
	var syncs atomic.Int64
	m := start(t, testConfig(errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpFileSyncData && strings.HasSuffix(op.Path, ".log") {
			syncs.Add(1)
		}
		return disk.MaybeError(op)
	}))))
	disk.hang()
	first, err := m.replica.Submit(put("first", "holds up the disk"))
	require.NoError(t, err)
	disk.awaitHeld(t)
	require.Zero(t, m.inLine())
	before := syncs.Load()
	value := make([]byte, 1_500_000)
	const puts = 12
	waiting := []*replication.Proposal{first}
	for i := range puts {
		p, err := m.replica.Submit(&consensusv1.Command{Command: &consensusv1.Command_Put{Put: &consensusv1.PutOp{Key: fmt.Appendf(nil, "k%d", i), Value: value}}})
		require.NoError(t, err)
		waiting = append(waiting, p)
	}
	disk.answer()
	for _, p := range waiting {
		_, err := m.replica.Wait(t.Context(), p)
		require.NoError(t, err)
	}
	require.Less(t, syncs.Load()-before, int64(puts), "a put has a sync of its own")
}
