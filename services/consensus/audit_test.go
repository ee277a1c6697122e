package consensus

import (
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/cockroachkvs"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"
	"go.etcd.io/raft/v3/raftpb"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/consensus/internal/datadir"
	"github.com/quoratedb/quorate/services/consensus/internal/mvcc"
	"github.com/quoratedb/quorate/services/consensus/internal/statemachine"
)

// diverge makes a running member apply a put that no other does, as if it had misread the log.
func (r *running) diverge(t *testing.T, key, value string) {
	t.Helper()
	replace := r.install.replace
	r.install.replace = func(uint64) (*raftpb.ConfState, error) { return nil, applyAside(r.store(), key, value) }
	require.NoError(t, r.replica.Install(t.Context(), 0))
	r.install.replace = replace
}

// applyAside applies a put without an entry of the log.
func applyAside(store *mvcc.Store, key, value string) error {
	batch := statemachine.New(store).Begin()
	defer batch.Close()
	if _, _, err := batch.Apply(put(key, value)); err != nil {
		return err
	}
	return batch.Commit()
}

// damage turns a bit over in the newest value of a key of a member that is stopped, where no checksum sees it.
func damage(t *testing.T, fs vfs.FS, key string) {
	t.Helper()
	dir := fs.PathJoin("data", "member", "state")
	require.NoError(t, fs.RemoveAll(fs.PathJoin(dir, "CLEAN")))
	db, err := pebble.Open(dir, &pebble.Options{
		FS: fs, Comparer: &cockroachkvs.Comparer, FormatMajorVersion: pebble.FormatColumnarBlocks,
		KeySchema: cockroachkvs.KeySchema.Name, KeySchemas: sstable.MakeKeySchemas(&cockroachkvs.KeySchema),
	})
	require.NoError(t, err)
	it, err := db.NewIter(&pebble.IterOptions{LowerBound: []byte("v" + key + "\x00")})
	require.NoError(t, err)
	require.True(t, it.First())
	found, value := append([]byte{}, it.Key()...), append([]byte{}, it.Value()...)
	require.Contains(t, string(found), "v"+key+"\x00")
	require.NoError(t, it.Close())
	value[len(value)-1] ^= 1
	require.NoError(t, db.Set(found, value, pebble.Sync))
	require.NoError(t, db.Close())
}

// awaitCorrupt waits until an alarm names a member, as another knows it, which serves meanwhile.
func awaitCorrupt(t *testing.T, m *running, odd uint64) {
	t.Helper()
	for !m.gate.State().Raised(odd, consensusv1.Alarm_TYPE_CORRUPT) {
		writeUntilAcknowledged(t, m, "meanwhile", "served")
	}
}

// awaitRefusal waits until a member that was found has heard of it, by the log if not by itself, and fails unless it refuses
// then.
func awaitRefusal(t *testing.T, m *running) {
	t.Helper()
	for !m.gate.State().Raised(m.MemberID(), consensusv1.Alarm_TYPE_CORRUPT) {
		_, err := m.ReadIndex(t.Context(), &consensusv1.ReadIndexRequest{})
		require.NoError(t, err)
	}
	requireRefuses(t, m)
}

// requireRefuses fails unless the member answers nothing from its state, and says why.
func requireRefuses(t *testing.T, m *running) {
	t.Helper()
	ctx := t.Context()
	key := &consensusv1.RangeOp{Key: []byte("key")}
	for name, call := range map[string]func() error{
		"linearizable range": func() error {
			_, err := m.Range(ctx, &consensusv1.RangeRequest{Range: key})
			return err
		},
		"serializable range": func() error {
			_, err := m.Range(ctx, &consensusv1.RangeRequest{Range: key, Serializable: true})
			return err
		},
		"range in chunks": func() error {
			return m.RangeStream(ctx, &consensusv1.RangeStreamRequest{Range: key, Serializable: true}, nil)
		},
		"transaction": func() error {
			_, err := m.ReadTxn(ctx, &consensusv1.ReadTxnRequest{Txn: &consensusv1.TxnOp{}, Serializable: true})
			return err
		},
		"tree": func() error {
			_, err := m.ReadTree(ctx, &consensusv1.ReadTreeRequest{Path: []byte("/"), Serializable: true})
			return err
		},
		"leases": func() error {
			_, err := m.Leases(ctx, &consensusv1.LeasesRequest{Serializable: true})
			return err
		},
		"feed": func() error {
			return m.Tail(ctx, &consensusv1.TailRequest{FromRevision: 1}, func(*consensusv1.TailResponse) error { return nil })
		},
		"history": func() error {
			_, err := m.History(ctx, &consensusv1.HistoryRequest{FromRevision: 2})
			return err
		},
		"put": func() error {
			_, err := m.Propose(ctx, &consensusv1.ProposeRequest{Command: put("key", "value")})
			return err
		},
		"snapshot": func() error { return m.Snapshot(ctx, &consensusv1.SnapshotRequest{}, nil) },
		"checkpoint for another member": func() error {
			_, _, _, _, err := m.Receiver().Checkpoint(ctx)
			return err
		},
	} {
		require.ErrorIs(t, call(), errdefs.ErrCorrupt, name)
	}
	position, err := m.Position(ctx, nil)
	require.NoError(t, err)
	require.True(t, position.GetCorrupt())
}

// A follower whose state is not that of the others is found while all run: the alarm names it, it refuses and the others
// serve; a disarmed alarm comes back, a restart changes nothing, and with the member goes its alarm.
func TestOddFollowerIsFound(t *testing.T) {
	net, members := cluster(t, 3)
	members[0].mustPut(t, "key", "right")
	leader := leaderOf(t, members)
	var odd, other *running
	for _, m := range members {
		if m != leader {
			odd, other = m, odd
		}
	}
	require.Equal(t, "right", odd.get(t, "key"))
	watching := make(chan error, 1)
	go func() {
		watching <- odd.Tail(t.Context(), &consensusv1.TailRequest{FromRevision: odd.store().Revision() + 1}, func(*consensusv1.TailResponse) error { return nil })
	}()

	odd.diverge(t, "key", "wrong")
	awaitCorrupt(t, leader, odd.MemberID())
	awaitCorrupt(t, other, odd.MemberID())
	require.ErrorIs(t, <-watching, errdefs.ErrCorrupt)
	awaitRefusal(t, odd)
	require.Equal(t, "right", other.get(t, "key"))

	alarm := &consensusv1.Alarm{MemberId: odd.MemberID(), Type: consensusv1.Alarm_TYPE_CORRUPT}
	lowered, err := odd.Propose(t.Context(), &consensusv1.ProposeRequest{Command: &consensusv1.Command{
		Command: &consensusv1.Command_Alarm{Alarm: &consensusv1.AlarmOp{Alarm: alarm, Disarm: true}},
	}})
	require.NoError(t, err)
	require.Len(t, lowered.GetResult().GetAlarm().GetChanged(), 1)
	awaitCorrupt(t, leader, odd.MemberID())
	awaitRefusal(t, odd)

	require.NoError(t, odd.halt())
	odd = launch(t, odd.cfg)
	net.add(odd.MemberID(), odd)
	requireRefuses(t, odd)
	odd.awaitReady(t)
	requireRefuses(t, odd)

	_, err = leader.RemoveMember(t.Context(), &consensusv1.RemoveMemberRequest{Id: odd.MemberID()})
	require.NoError(t, err)
	require.Empty(t, leader.store().Alarms())
}

// An alarm that a member raises in another's name comes after that other's removal: it was proposed before. It is not raised,
// as nobody would lower it. A client may name whom it likes, as with etcd.
func TestAlarmIsTooLateForWhoIsGone(t *testing.T) {
	net, members := cluster(t, 3)
	leader, gone := leaderOf(t, members), follower(t, net, members).MemberID()
	_, err := leader.RemoveMember(t.Context(), &consensusv1.RemoveMemberRequest{Id: gone})
	require.NoError(t, err)
	leader.alarms.Raise(t.Context(), gone, consensusv1.Alarm_TYPE_CORRUPT)
	require.Empty(t, leader.store().Alarms())

	for _, m := range members {
		if m != leader && m.MemberID() != gone {
			leader.alarms.Raise(t.Context(), m.MemberID(), consensusv1.Alarm_TYPE_CORRUPT)
		}
	}
	require.Len(t, leader.store().Alarms(), 1)
	resp, err := leader.Propose(t.Context(), &consensusv1.ProposeRequest{Command: &consensusv1.Command{
		Command: &consensusv1.Command_Alarm{Alarm: &consensusv1.AlarmOp{Alarm: &consensusv1.Alarm{MemberId: gone, Type: consensusv1.Alarm_TYPE_CORRUPT}}},
	}})
	require.NoError(t, err)
	require.Len(t, resp.GetResult().GetAlarm().GetChanged(), 1)
}

// A leader whose state is not that of the others gives leadership away, and is named.
func TestOddLeaderIsReplaced(t *testing.T) {
	_, members := cluster(t, 3)
	members[0].mustPut(t, "key", "right")
	odd := leaderOf(t, members)
	odd.diverge(t, "key", "wrong")
	for _, m := range members {
		if m != odd {
			awaitCorrupt(t, m, odd.MemberID())
			require.Equal(t, "right", m.get(t, "key"))
		}
	}
	for leader, changed := odd.Leader(); leader == odd.MemberID(); leader, changed = odd.Leader() {
		<-changed
	}
	awaitRefusal(t, odd)
}

// leaderAndOdd returns the leader of members that all have a key, and one that does not lead, to be led astray.
func leaderAndOdd(t *testing.T, members []*running) (leader, odd *running) {
	t.Helper()
	members[0].mustPut(t, "key", "right")
	leader = leaderOf(t, members)
	if leader == members[0] {
		return leader, members[1]
	}
	return leader, members[0]
}

// Of two members neither is a majority: the leader's word counts.
func TestTheLeadersWordCountsBetweenTwo(t *testing.T) {
	_, members := cluster(t, 2)
	leader, odd := leaderAndOdd(t, members)
	odd.diverge(t, "key", "wrong")
	awaitCorrupt(t, leader, odd.MemberID())
	awaitRefusal(t, odd)
	require.Equal(t, "right", leader.get(t, "key"))
}

// What changes in a member's files while it is down is found when it starts, by itself.
func TestDamageWhileDownIsFound(t *testing.T) {
	net, members := cluster(t, 3)
	leader, odd := leaderAndOdd(t, members)
	require.Equal(t, "right", odd.get(t, "key"))
	require.NoError(t, odd.halt())
	damage(t, odd.cfg.FS, "key")
	odd = launch(t, odd.cfg)
	net.add(odd.MemberID(), odd)
	awaitCorrupt(t, leader, odd.MemberID())
	awaitRefusal(t, odd)
	require.Equal(t, "right", leader.get(t, "key"))
}

// What a member applied aside while nobody saw it is found when it starts, by comparison: its own digest holds it.
func TestDivergenceWhileDownIsFound(t *testing.T) {
	net, members := cluster(t, 3)
	leader, odd := leaderAndOdd(t, members)
	require.Equal(t, "right", odd.get(t, "key"))
	require.NoError(t, odd.halt())
	store, err := mvcc.Open(mvcc.Config{FS: odd.cfg.FS, Dir: odd.cfg.dir().Path(datadir.StateName)})
	require.NoError(t, err)
	require.NoError(t, applyAside(store, "key", "wrong"))
	require.NoError(t, store.Close())
	odd = launch(t, odd.cfg)
	net.add(odd.MemberID(), odd)
	awaitCorrupt(t, leader, odd.MemberID())
	awaitRefusal(t, odd)
	require.Equal(t, "right", leader.get(t, "key"))
}

// A member that is alone finds damage too, and serves nothing of it.
func TestSoleMemberFindsDamage(t *testing.T) {
	fs := vfs.NewMem()
	m := start(t, testConfig(fs))
	m.mustPut(t, "key", "right")
	require.NoError(t, m.halt())
	damage(t, fs, "key")
	m = start(t, testConfig(fs))
	awaitRefusal(t, m)
}

// A member that got another's state in place of its own is believed again once its alarm is lowered, and not accused anew.
func TestANewStateIsBelieved(t *testing.T) {
	net, members := cluster(t, 3)
	leader, odd := leaderAndOdd(t, members)
	odd.diverge(t, "key", "wrong")
	awaitCorrupt(t, leader, odd.MemberID())
	awaitRefusal(t, odd)

	net.isolate(odd.MemberID(), true)
	writeUntilAcknowledged(t, leader, "key", "newer")
	net.ship(&raftpb.Message{
		Type: raftpb.MsgSnap.Enum(), From: new(leader.MemberID()), To: new(odd.MemberID()), Term: new(leader.replica.Term()),
	}, odd)
	require.False(t, odd.trust.Condemned())
	requireRefuses(t, odd) // the alarm came with the state, and needs no leader to be heard
	net.isolate(odd.MemberID(), false)
	_, err := leader.Propose(t.Context(), &consensusv1.ProposeRequest{Command: &consensusv1.Command{
		Command: &consensusv1.Command_Alarm{Alarm: &consensusv1.AlarmOp{Alarm: &consensusv1.Alarm{}, Disarm: true}},
	}})
	require.NoError(t, err)
	_, err = odd.ReadIndex(t.Context(), &consensusv1.ReadIndexRequest{}) // by then it has heard
	require.NoError(t, err)
	require.Equal(t, "newer", odd.get(t, "key"))
	for lowered := odd.replica.Applied(); odd.audit.Agreed() < lowered; {
		writeUntilAcknowledged(t, leader, "meanwhile", "served")
	}
	require.Equal(t, "newer", odd.get(t, "key"))
	require.Empty(t, leader.store().Alarms())
}
