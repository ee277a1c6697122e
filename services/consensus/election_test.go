package consensus

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/stretchr/testify/require"
	"go.etcd.io/raft/v3"
)

// awaitOtherLeader returns the member that the others agree on once old does not lead any more.
func awaitOtherLeader(t *testing.T, members []*running, old *running) *running {
	t.Helper()
	for _, m := range members {
		if m == old {
			continue
		}
		for {
			leader, changed := m.Leader()
			if leader != raft.None && leader != old.MemberID() {
				for _, found := range members {
					if found.MemberID() == leader {
						return found
					}
				}
			}
			<-changed
		}
	}
	return nil
}

// A leader whose process has ended is replaced although nobody's election timeout passes: with timeouts of half an hour,
// the transport's word must be enough. The word of one follower alone changes nothing, since the other one refuses.
func TestEndedLeaderIsReplacedAtOnce(t *testing.T) {
	const never = 1 << 17 // ticks
	net, members := clusterWith(t, 3, func(cfg *Config) { cfg.ElectionTicks = never }, func(first *running) {
		first.replica.Campaign()
	})
	old := members[0]
	require.Same(t, old, leaderOf(t, members))
	old.mustPut(t, "key", "before")

	members[1].Receiver().ReportDown(old.MemberID())
	members[1].mustPut(t, "key", "a false alarm") // goes through the old leader, which is found again
	require.Same(t, old, leaderOf(t, members))

	net.isolate(old.MemberID(), true)
	for _, follower := range members[1:] {
		follower.Receiver().ReportDown(old.MemberID())
	}
	leader := awaitOtherLeader(t, members, old)
	writeUntilAcknowledged(t, leader, "key", "after")
	net.isolate(old.MemberID(), false)
	require.Equal(t, "after", old.get(t, "key"))
}

// A leader whose disk does not answer gives leadership away, although its heartbeats would keep the followers quiet for
// ever; writes go on, and once the disk is back it has everything. The disk hangs in the filesystem below the member.
func TestLeaderOnAStalledDiskGivesLeadershipUp(t *testing.T) {
	disks := []*hangingDisk{newHangingDisk(), newHangingDisk(), newHangingDisk()}
	t.Cleanup(func() {
		for _, disk := range disks {
			disk.answer()
		}
	})
	_, members := clusterWith(t, 3, func(cfg *Config) {
		cfg.FS = errorfs.Wrap(cfg.FS, disks[cfg.MemberID-1])
	}, nil)
	old := leaderOf(t, members)
	old.mustPut(t, "key", "before")

	disk := disks[old.MemberID()-1]
	disk.hang()
	waiting, err := old.replica.Submit(put("stuck", "waits for the disk"))
	require.NoError(t, err)
	leader := awaitOtherLeader(t, members, old)
	writeUntilAcknowledged(t, leader, "key", "after")
	disk.answer()
	_, _ = old.replica.Wait(t.Context(), waiting) // with whichever outcome: it does not hang
	require.Equal(t, "after", old.get(t, "key"))
}

// hangingDisk makes writes and syncs wait while it hangs.
type hangingDisk struct {
	gate chan chan struct{}
	// held counts the writes and syncs that wait.
	held atomic.Int64
}

// awaitHeld waits until something waits.
func (d *hangingDisk) awaitHeld(t *testing.T) {
	t.Helper()
	require.Eventually(t, func() bool { return d.held.Load() > 0 }, time.Minute, time.Millisecond)
}

func newHangingDisk() *hangingDisk {
	d := &hangingDisk{gate: make(chan chan struct{}, 1)}
	open := make(chan struct{})
	close(open)
	d.gate <- open
	return d
}

func (d *hangingDisk) hang() {
	<-d.gate
	d.gate <- make(chan struct{})
}

func (d *hangingDisk) answer() {
	gate := <-d.gate
	select {
	case <-gate:
	default:
		close(gate)
	}
	d.gate <- gate
}

// String implements errorfs.Injector.
func (d *hangingDisk) String() string { return "(hanging disk)" }

// MaybeError implements errorfs.Injector.
func (d *hangingDisk) MaybeError(op errorfs.Op) error {
	if op.Kind.ReadOrWrite() == errorfs.OpIsWrite {
		gate := <-d.gate
		d.gate <- gate
		d.held.Add(1)
		<-gate
		d.held.Add(-1)
	}
	return nil
}
