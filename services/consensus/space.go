package consensus

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/pkg/problem"
)

// A member refuses what makes the state larger in time: where the state has outgrown its quota, and before a disk is full
// (disk.go). It raises NOSPACE in its own name then, which the log carries to all members: the state machine refuses writes
// that need space, and takes deletions, compactions, revocations and changes of members, which are the way out. As the
// member has raised it by itself it lowers it by itself, once there is room again; what somebody raised by hand stays.

// quotaRoomPercent is how much of the quota may be in use for NOSPACE to be lowered: less than all, or it would come and go
// with every few writes.
const quotaRoomPercent = 90

// roomyLooksMin is after how many looks in a row that found room NOSPACE is lowered: some seconds where nobody writes, so
// that a script that compacts, defragments and then disarms finds the alarm, as with etcd.
const roomyLooksMin = 6

// space is what a member knows about the room that it has.
type space struct {
	// pressed has a token when a write was refused: the alarm should follow at once.
	pressed chan struct{}
	// volumes are where the log and the state lie.
	volumes []*volume
	// full says that one of them is.
	full atomic.Bool
	// estimate is what the state seems to have in use by the sizes of its files, for as long as that is not counted.
	estimate atomic.Int64
	// roomy counts the looks in a row that found room.
	roomy atomic.Int64
	// tidying is what Defragment asks for.
	tidying tidying
}

func newSpace() *space {
	return &space{pressed: make(chan struct{}, 1), tidying: tidying{asked: make(chan struct{}, 1)}}
}

// roomToGrow refuses what makes the state larger if there is no room for it: problem.ErrNoSpace.
func (m *Member) roomToGrow() error {
	quota := m.cfg.QuotaBytes
	switch inUse := m.quotaInUse(); {
	case quota > 0 && inUse > quota:
		nudge(m.space.pressed)
		return fmt.Errorf("the state has %d bytes in use of %d: %w", inUse, quota, problem.ErrNoSpace)
	case m.space.full.Load():
		nudge(m.space.pressed)
		return fmt.Errorf("a disk is nearly full: %w", problem.ErrNoSpace)
	}
	return nil
}

// quotaInUse is what counts against the quota. While that is still being counted, in a directory of an earlier program, it
// is what that went by: the files less the engine's guess of what is garbage in them.
func (m *Member) quotaInUse() int64 {
	inUse, known := m.store().Usage()
	if !known {
		return m.space.estimate.Load()
	}
	return inUse
}

// estimateUsage looks at the files where nothing better is known yet.
func (m *Member) estimateUsage() {
	if _, known := m.store().Usage(); !known {
		_, inUse := m.store().Size()
		m.space.estimate.Store(inUse)
	}
}

// refusalsPause is how often refused writes have the room looked at before its time: once the alarm is raised they tell
// nothing new, and until there is a leader to raise it they may come by the thousand.
const refusalsPause = 100 * time.Millisecond

// watchSpace raises NOSPACE where there is no room, and lowers it where there is again.
func (m *Member) watchSpace(ctx context.Context) error {
	ticker := m.cfg.Clock.NewTicker(housekeepingInterval)
	defer ticker.Stop()
	for {
		m.estimateUsage()
		m.lookAtVolumes()
		m.settleNoSpace(ctx)
		m.lowerOrphans(ctx)
		looked := time.Now()
		for wait := true; wait; {
			select {
			case <-ctx.Done():
				return nil
			case <-ticker.C():
				wait = false
			case <-m.space.pressed:
				wait = time.Since(looked) < refusalsPause // the ticker comes soon
			}
		}
	}
}

// settleNoSpace brings the alarm in line with the room that there is. It is tried again at the next look if it fails.
func (m *Member) settleNoSpace(ctx context.Context) {
	alarm := m.store().Alarm(m.cfg.MemberID, consensusv1.Alarm_TYPE_NOSPACE)
	_, known := m.store().Usage()
	inUse, quota := m.quotaInUse(), m.cfg.QuotaBytes
	exceeded := quota > 0 && inUse > quota
	// Divided first: a quota may be as large as numbers are.
	roomy := !m.space.full.Load() && known && (quota <= 0 || inUse <= quota/100*quotaRoomPercent)
	if roomy {
		m.space.roomy.Add(1)
	} else {
		m.space.roomy.Store(0)
	}
	switch {
	case alarm == nil && exceeded:
		m.log.Warn("the state has outgrown its quota, writes are refused until some of it is deleted and compacted", "in-use", inUse, "quota", quota)
		m.raiseAlarm(ctx, m.cfg.MemberID, consensusv1.Alarm_TYPE_NOSPACE)
	case alarm == nil && m.space.full.Load():
		m.raiseAlarm(ctx, m.cfg.MemberID, consensusv1.Alarm_TYPE_NOSPACE)
	case alarm.GetAutomatic() && roomy && m.space.roomy.Load() >= roomyLooksMin:
		m.lowerAlarm(ctx, alarm, "there is room again")
	}
}

// lowerOrphans lowers what members raised by themselves that are gone: to replace one whose disk is full is a way out too.
// The leader does it for all.
func (m *Member) lowerOrphans(ctx context.Context) {
	if !m.replica.Leads() {
		return
	}
	for _, alarm := range m.store().Alarms() {
		if alarm.GetAutomatic() && m.members.find(alarm.GetMemberId()) == nil {
			m.lowerAlarm(ctx, alarm, "the member that raised it is gone")
		}
	}
}

// raiseAlarm raises an alarm in a member's name, unless it is raised already. Whoever needs it tries again. Want of space
// passes, and so does its alarm; damage does not.
func (m *Member) raiseAlarm(ctx context.Context, member uint64, kind consensusv1.Alarm_Type) {
	if m.store().Raised(member, kind) {
		return
	}
	alarm := &consensusv1.Alarm{MemberId: member, Type: kind, Automatic: kind == consensusv1.Alarm_TYPE_NOSPACE}
	if err := m.proposeAlarm(ctx, &consensusv1.AlarmOp{Alarm: alarm}); err != nil {
		m.log.Warn("could not raise an alarm, will try again", "alarm", alarmName(alarm), "member", memberID(member), "error", err)
		return
	}
	m.log.Warn("raised an alarm", "alarm", alarmName(alarm), "member", memberID(member))
}

// lowerAlarm lowers an alarm that a member has raised by itself.
func (m *Member) lowerAlarm(ctx context.Context, alarm *consensusv1.Alarm, why string) {
	if err := m.proposeAlarm(ctx, &consensusv1.AlarmOp{Disarm: true, Alarm: alarm}); err != nil {
		m.log.Warn("could not lower an alarm, will try again", "alarm", alarmName(alarm), "member", memberID(alarm.GetMemberId()), "error", err)
		return
	}
	m.log.Info("lowered an alarm: "+why, "alarm", alarmName(alarm), "member", memberID(alarm.GetMemberId()))
}

func (m *Member) proposeAlarm(ctx context.Context, op *consensusv1.AlarmOp) error {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	_, err := m.propose(ctx, &consensusv1.Command{Command: &consensusv1.Command_Alarm{Alarm: op}})
	return err
}
