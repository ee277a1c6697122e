package consensus

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/stretchr/testify/require"
	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
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
		require.NoError(t, first.replica.call(t.Context(), func(node *raft.RawNode) { _ = node.Campaign() }))
	})
	old := members[0]
	require.Same(t, old, leaderOf(t, members))
	old.mustPut(t, "key", "before")

	members[1].ReportDown(old.MemberID())
	members[1].mustPut(t, "key", "a false alarm") // goes through the old leader, which is found again
	require.Same(t, old, leaderOf(t, members))

	net.isolate(old.MemberID(), true)
	for _, follower := range members[1:] {
		follower.ReportDown(old.MemberID())
	}
	leader := awaitOtherLeader(t, members, old)
	writeUntilAcknowledged(t, leader, "key", "after")
	net.isolate(old.MemberID(), false)
	require.Equal(t, "after", old.get(t, "key"))
}

// What a leader sent before it was reported down must not bring it back: a follower is given both at once, so that its
// choice between them is random, many times.
func TestMessagesBeforeTheReport(t *testing.T) {
	for range 20 {
		synctest.Test(t, func(t *testing.T) {
			r := following(t, 2, []uint64{1, 2, 3}, 1<<20, noPeers{})
			r.inbox.Put(&raftpb.Message{Type: raftpb.MsgHeartbeat.Enum(), From: new(uint64(1)), To: new(uint64(2)), Term: new(uint64(1))})
			r.tasks.Put(func(node *raft.RawNode) { r.replaceLeader(node, 1) })
			ctx, stop := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() { ended <- r.run(ctx) }()
			synctest.Wait()
			stop()
			require.NoError(t, <-ended)
			require.Zero(t, r.position.leader.Load())
			require.NotZero(t, r.succession.standAt)
		})
	}
}

// Followers of a leader that is silent stand in the order of their ids: each is given ticks without a message, and the one
// at which it stands is told by raft's state.
func TestFollowersStandInOrder(t *testing.T) {
	const electionTicks = 10
	for id, want := range map[uint64]int{2: electionTicks + 1, 3: electionTicks + 1 + standSpacing, 4: electionTicks + 1 + 2*standSpacing} {
		r := following(t, id, []uint64{1, 2, 3, 4}, electionTicks, noPeers{})
		ticks := 0
		for r.node.BasicStatus().RaftState == raft.StateFollower {
			r.tick()
			ticks++
			require.LessOrEqual(t, ticks, 10*electionTicks)
		}
		require.Equal(t, want, ticks, "member %d", id)
	}
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
	waiting, err := old.submit(put("stuck", "waits for the disk"))
	require.NoError(t, err)
	leader := awaitOtherLeader(t, members, old)
	writeUntilAcknowledged(t, leader, "key", "after")
	disk.answer()
	<-waiting.done // with whichever outcome: it does not hang
	require.Equal(t, "after", old.get(t, "key"))
}

// hangingDisk makes writes and syncs wait while it hangs.
type hangingDisk struct{ gate chan chan struct{} }

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
		<-gate
	}
	return nil
}
