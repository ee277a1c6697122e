package consensus

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

func propose(ctx context.Context, r *running, command *consensusv1.Command) error {
	_, err := r.Propose(ctx, &consensusv1.ProposeRequest{Command: command})
	return err
}

func deleteAll() *consensusv1.Command {
	return &consensusv1.Command{Command: &consensusv1.Command_DeleteRange{DeleteRange: &consensusv1.DeleteRangeOp{Key: []byte{0}, RangeEnd: []byte{0}}}}
}

func compactTo(revision int64) *consensusv1.Command {
	return &consensusv1.Command{Command: &consensusv1.Command_Compact{Compact: &consensusv1.CompactOp{Revision: revision}}}
}

func alarmOp(member uint64, disarm bool) *consensusv1.Command {
	return &consensusv1.Command{Command: &consensusv1.Command_Alarm{Alarm: &consensusv1.AlarmOp{
		Disarm: disarm, Alarm: &consensusv1.Alarm{MemberId: member, Type: consensusv1.Alarm_TYPE_NOSPACE},
	}}}
}

// awaitNoSpace waits until NOSPACE is raised in the member's name, or not.
func (r *running) awaitNoSpace(t *testing.T, raised bool) {
	t.Helper()
	require.Eventually(t, func() bool {
		return r.store().Raised(r.cfg.MemberID, consensusv1.Alarm_TYPE_NOSPACE) == raised
	}, 30*time.Second, time.Millisecond)
}

// fill puts values under one key, or one key each, until that is refused for want of space, and returns how many it took.
func (r *running) fill(t *testing.T, oneKey bool, value string) (taken int) {
	t.Helper()
	for {
		key := "key"
		if !oneKey {
			key += strings.Repeat("x", taken)
		}
		err := propose(t.Context(), r, put(key, value))
		if err != nil {
			require.ErrorIs(t, err, errdefs.ErrNoSpace)
			return taken
		}
		taken++
	}
}

// A quota that is used up, by many keys or by one that is written over and over, has NOSPACE raised. It goes by itself once
// what was deleted is compacted, and all of the quota can be used again, as often as one likes. What a person has raised
// stays until a person lowers it. One member with a small quota.
func TestQuotaIsGivenBack(t *testing.T) {
	const quota, value = 1 << 20, 10_000
	cfg := testConfig(vfs.NewMem())
	cfg.QuotaBytes = quota
	m := start(t, cfg)
	for round := range 4 {
		taken := m.fill(t, round%2 == 0, strings.Repeat("v", value))
		require.GreaterOrEqual(t, taken, quota/value*95/100, "an empty store takes nearly its quota of values")
		require.LessOrEqual(t, taken, quota/value+1)
		m.awaitNoSpace(t, true)
		require.ErrorIs(t, propose(t.Context(), m, put("refused", "")), errdefs.ErrNoSpace)

		require.NoError(t, propose(t.Context(), m, deleteAll()))
		require.NoError(t, propose(t.Context(), m, compactTo(m.gate.State().Revision())))
		m.awaitNoSpace(t, false)
	}
	status, err := m.Status(t.Context(), &consensusv1.StatusRequest{})
	require.NoError(t, err)
	require.Less(t, status.GetDbSizeInUse(), int64(2*value), "the last tombstones")

	require.NoError(t, propose(t.Context(), m, alarmOp(m.cfg.MemberID, false)))
	m.space.settleNoSpace(t.Context(), false)
	m.awaitNoSpace(t, true)
	require.ErrorIs(t, propose(t.Context(), m, put("refused", "")), errdefs.ErrNoSpace)
	require.NoError(t, propose(t.Context(), m, alarmOp(m.cfg.MemberID, true)))
	m.mustPut(t, "k", "v")
}

// An alarm that somebody lowers while there is no room stays down until a write is refused, as with etcd. Method: one member whose
// quota is used up looks again and again.
func TestAlarmThatWasLoweredComesWithTheNextWrite(t *testing.T) {
	cfg := testConfig(vfs.NewMem())
	cfg.QuotaBytes = 1 << 20
	m := start(t, cfg)
	m.fill(t, true, strings.Repeat("v", 10_000))
	m.awaitNoSpace(t, true)
	require.Eventually(t, m.space.told.Load, 30*time.Second, time.Millisecond)
	require.NoError(t, propose(t.Context(), m, alarmOp(m.cfg.MemberID, true)))
	for range 3 {
		m.space.settleNoSpace(t.Context(), false)
	}
	require.False(t, m.gate.State().Raised(m.cfg.MemberID, consensusv1.Alarm_TYPE_NOSPACE))
	require.ErrorIs(t, propose(t.Context(), m, put("refused", "v")), errdefs.ErrNoSpace)
	m.awaitNoSpace(t, true)
}

// An alarm that a member has raised by itself and a person raises too is the person's: it stays though there is room.
func TestAlarmRaisedByHandStays(t *testing.T) {
	cfg := testConfig(vfs.NewMem())
	cfg.QuotaBytes = 1 << 20
	m := start(t, cfg)
	m.fill(t, true, strings.Repeat("v", 10_000))
	m.awaitNoSpace(t, true)
	require.NoError(t, propose(t.Context(), m, alarmOp(m.cfg.MemberID, false)))
	require.NoError(t, propose(t.Context(), m, compactTo(m.gate.State().Revision())))
	for range roomyLooksMin {
		m.space.settleNoSpace(t.Context(), false)
	}
	require.GreaterOrEqual(t, m.space.roomy.Load(), int64(roomyLooksMin), "there is room, and has been for long enough")
	require.True(t, m.gate.State().Raised(m.cfg.MemberID, consensusv1.Alarm_TYPE_NOSPACE))
	require.NoError(t, propose(t.Context(), m, alarmOp(m.cfg.MemberID, true)))
	m.mustPut(t, "k", "v")
}

// An alarm that a member has raised by itself goes with it: whoever replaces the member whose disk is full has room again.
// What somebody raised by hand in its name stays.
func TestAlarmOfAMemberThatIsGoneIsLowered(t *testing.T) {
	m := start(t, testConfig(vfs.NewMem()))
	gone := &consensusv1.Alarm{MemberId: 0xbeef, Type: consensusv1.Alarm_TYPE_NOSPACE, Automatic: true}
	require.NoError(t, m.alarms.propose(t.Context(), &consensusv1.AlarmOp{Alarm: gone}))
	require.Eventually(t, func() bool { return !m.gate.State().Raised(0xbeef, consensusv1.Alarm_TYPE_NOSPACE) }, 30*time.Second, time.Millisecond)
	m.mustPut(t, "k", "v")

	require.NoError(t, propose(t.Context(), m, alarmOp(0xbeef, false)))
	m.space.lowerOrphans(t.Context())
	require.ErrorIs(t, propose(t.Context(), m, put("k", "refused")), errdefs.ErrNoSpace)
}

// smallDisk is a filesystem of a gibibyte, of which as much is free as one says.
type smallDisk struct {
	vfs.FS
	free  atomic.Uint64
	looks atomic.Int64
}

func (d *smallDisk) GetDiskUsage(string) (vfs.DiskUsage, error) {
	d.looks.Add(1)
	return vfs.DiskUsage{TotalBytes: 1 << 30, AvailBytes: d.free.Load()}, nil
}

// Before a disk is full, with no quota set, writes that need space are refused with NOSPACE; deletions, compactions,
// revocations and changes of members go on, and so do writes once there is room again. The disk is a stand-in that says how
// much of it is free.
func TestDiskIsNeverFilled(t *testing.T) {
	for name, c := range map[string]struct {
		marks              DiskMarks
		enough, full, more uint64
	}{
		"by default":      {DiskMarks{}, 65 << 20, 63 << 20, 81 << 20},
		"as one has said": {DiskMarks{HardBytes: 500 << 20}, 501 << 20, 499 << 20, 626 << 20},
	} {
		t.Run(name, func(t *testing.T) {
			disk := &smallDisk{FS: vfs.NewMem()}
			disk.free.Store(c.enough)
			cfg := testConfig(disk)
			cfg.DiskMarks = c.marks
			m := start(t, cfg)
			m.mustPut(t, "k", "v")
			grant := &consensusv1.Command{Command: &consensusv1.Command_LeaseGrant{LeaseGrant: &consensusv1.LeaseGrantOp{Id: 1, Ttl: 60}}}
			require.NoError(t, propose(t.Context(), m, grant))

			disk.free.Store(c.full)
			m.awaitNoSpace(t, true)
			require.ErrorIs(t, propose(t.Context(), m, put("k", "refused")), errdefs.ErrNoSpace)
			require.ErrorIs(t, propose(t.Context(), m, grant), errdefs.ErrNoSpace)
			require.NoError(t, propose(t.Context(), m, deleteAll()))
			require.NoError(t, propose(t.Context(), m, compactTo(m.gate.State().Revision())))
			revoke := &consensusv1.Command{Command: &consensusv1.Command_LeaseRevoke{LeaseRevoke: &consensusv1.LeaseRevokeOp{Ids: []int64{1}}}}
			require.NoError(t, propose(t.Context(), m, revoke))
			added, err := m.AddMember(t.Context(), &consensusv1.AddMemberRequest{PeerUrls: []string{"http://127.0.0.1:1"}, IsLearner: true})
			require.NoError(t, err)
			_, err = m.RemoveMember(t.Context(), &consensusv1.RemoveMemberRequest{Id: added.GetMember().GetId()})
			require.NoError(t, err)
			// A person's word does not make room.
			require.NoError(t, propose(t.Context(), m, alarmOp(0, true)))
			require.ErrorIs(t, propose(t.Context(), m, put("k", "refused")), errdefs.ErrNoSpace)
			m.awaitNoSpace(t, true)

			disk.free.Store(c.enough)
			m.space.lookAtVolumes()
			require.True(t, m.space.full.Load(), "a little above the mark, it would come and go")
			disk.free.Store(c.more)
			m.awaitNoSpace(t, false)
			m.mustPut(t, "k", "v")
		})
	}
}

// Refused writes have the disk looked at now and then, not each of them. Method: a member whose disk is full, one refusal for
// each turn of its loop, for some dozens of the pauses between two looks.
func TestRefusalsLookAtTheDiskNowAndThen(t *testing.T) {
	disk := &smallDisk{FS: vfs.NewMem()}
	m := start(t, testConfig(disk))
	m.awaitNoSpace(t, true)
	began, before, refused := time.Now(), disk.looks.Load(), 0
	for time.Since(began) < 5*refusalsPause {
		require.ErrorIs(t, m.admission.admit(put("k", "v")), errdefs.ErrNoSpace)
		refused++
		for len(m.space.pressed) > 0 {
			runtime.Gosched()
		}
	}
	looks := disk.looks.Load() - before
	most := int64(len(m.space.volumes)) * (2 + int64(time.Since(began)/refusalsPause) + int64(time.Since(began)/housekeepingInterval))
	require.LessOrEqual(t, looks, most, "of %d refusals", refused)
}

// Defragment gives the disk back what was deleted and compacted, while the member serves, and answers however long it takes.
func TestDefragmentGivesFilesBack(t *testing.T) {
	m := start(t, testConfig(vfs.NewMem()))
	for i := range 400 {
		m.mustPut(t, strings.Repeat("k", 1+i), randomText(10_000))
	}
	require.NoError(t, propose(t.Context(), m, deleteAll()))
	require.NoError(t, propose(t.Context(), m, compactTo(m.gate.State().Revision())))
	_, err := m.WaitCompacted(t.Context(), &consensusv1.WaitCompactedRequest{})
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		_, err := m.Defragment(t.Context(), &consensusv1.DefragmentRequest{})
		status, statusErr := m.Status(t.Context(), &consensusv1.StatusRequest{})
		return errors.Join(err, statusErr) == nil && status.GetDbSize() < 400*10_000/10
	}, 30*time.Second, time.Millisecond)
	m.mustPut(t, "k", "v")
}

// randomText does not compress well.
func randomText(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rand.Uint32())
	}
	return string(b)
}
