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
	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/consensus/internal/mailbox"
)

// The log of a leader that nobody follows does not grow without bound: commands beyond it wait in line, where they are
// forgotten with their callers, and go on once there is room. The replica is led by hand, with followers that vote and
// answer no append until the end.
func TestUncommittedCommandsAreBounded(t *testing.T) {
	r := leading(t)
	command := &proposal{encoded: make([]byte, 8<<20)}
	const fit = uncommittedBytesMax / (8 << 20)
	var all []*proposal
	for range fit + 4 {
		p := &proposal{encoded: command.encoded, size: int64(len(command.encoded)), done: make(chan outcome, 1)}
		require.NoError(t, r.pending.add(p))
		all = append(all, p)
	}
	for range all {
		r.proposeWaiting()
		r.settle(t)
	}
	require.True(t, r.full)
	require.False(t, r.mayPropose())
	inLine := r.pending.inLineCount()
	require.InDelta(t, 4, inLine, 1)
	r.pending.forget(all[len(all)-1])
	require.Equal(t, inLine-1, r.pending.inLineCount())

	last := r.node.Status().Progress[r.id].Match
	r.inbox.Put(&raftpb.Message{Type: raftpb.MsgAppResp.Enum(), From: new(uint64(2)), To: new(r.id), Term: new(r.position.term.Load()), Index: new(last)})
	require.NoError(t, r.receive())
	r.settle(t)
	require.True(t, r.mayPropose())
	for range inLine {
		r.proposeWaiting()
		r.settle(t)
	}
	require.Zero(t, r.pending.inLineCount())
}

// byHand is a replica whose loop, appender and applier are the test.
type byHand struct {
	*replica
	storage *raft.MemoryStorage
}

// leading returns the leader of three, whose followers have only voted.
func leading(t *testing.T) byHand {
	t.Helper()
	cfg := testConfig(nil).withDefaults()
	cfg.MemberID = 1
	storage := raft.NewMemoryStorage()
	require.NoError(t, storage.ApplySnapshot(&raftpb.Snapshot{Metadata: &raftpb.SnapshotMetadata{
		Index: new(uint64(1)), Term: new(uint64(1)), ConfState: &raftpb.ConfState{Voters: []uint64{1, 2, 3}},
	}}))
	require.NoError(t, storage.SetHardState(&raftpb.HardState{Term: new(uint64(1)), Commit: new(uint64(1))}))
	m := &Member{cfg: cfg, log: cfg.Logger}
	node, err := raft.NewRawNode(m.raftConfig(storage, 1))
	require.NoError(t, err)
	r := byHand{newReplica(node, cfg, cfg.Logger), storage}
	r.reads, r.appender, r.applier = newReadIndexes(1), newAppender(nil, nil), &applier{inbox: mailbox.New[*raftpb.Message]()}
	require.NoError(t, node.Campaign())
	r.settle(t)
	for _, vote := range []raftpb.MessageType{raftpb.MsgPreVoteResp, raftpb.MsgVoteResp} {
		require.NoError(t, node.Step(&raftpb.Message{Type: vote.Enum(), From: new(uint64(2)), To: new(uint64(1)), Term: new(uint64(2))}))
		r.settle(t)
	}
	require.Equal(t, r.id, r.position.leader.Load())
	return r
}

// settle appends and applies, in no time, what raft has to.
func (r byHand) settle(t *testing.T) {
	t.Helper()
	for r.dispatch(); ; r.dispatch() {
		work := append(r.appender.inbox.Take(nil), r.applier.inbox.Take(nil)...)
		if len(work) == 0 {
			return
		}
		for _, m := range work {
			if m.GetType() == raftpb.MsgStorageAppend && len(m.GetEntries()) > 0 {
				require.NoError(t, r.storage.Append(m.GetEntries()))
				r.appender.appended.Add(1)
			}
			r.deliver(m.GetResponses())
		}
		require.NoError(t, r.receive())
	}
}

// await waits until what the replica's goroutine sees is so.
func await(t *testing.T, m *running, so func() bool) {
	t.Helper()
	for {
		var yes bool
		require.NoError(t, m.replica.call(t.Context(), func(*raft.RawNode) { yes = so() }))
		if yes {
			return
		}
	}
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
	await(t, f, func() bool { return f.replica.appendsSent > f.appender.appended.Load() })
	passed, err := f.submit(put("k", "passed on"))
	require.NoError(t, err)
	require.Eventually(t, func() bool { return leader.get(t, "k") == "passed on" }, time.Minute, time.Millisecond)
	disks[f.MemberID()-1].answer()
	require.NoError(t, (<-passed.done).err)
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
	first, err := m.submit(put("first", "holds up the disk"))
	require.NoError(t, err)
	await(t, m, func() bool { return m.replica.pending.inLineCount() == 0 })
	before := syncs.Load()
	value := make([]byte, 1_500_000)
	const puts = 12
	var waiting []*proposal
	for i := range puts {
		p, err := m.submit(&consensusv1.Command{Command: &consensusv1.Command_Put{Put: &consensusv1.PutOp{Key: fmt.Appendf(nil, "k%d", i), Value: value}}})
		require.NoError(t, err)
		waiting = append(waiting, p)
	}
	disk.answer()
	for _, p := range append(waiting, first) {
		require.NoError(t, (<-p.done).err)
	}
	require.Less(t, syncs.Load()-before, int64(puts), "a put has a sync of its own")
}
