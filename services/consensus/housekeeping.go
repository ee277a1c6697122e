package consensus

import (
	"context"
	"fmt"
	"time"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// keepHouse truncates the log and watches the size on disk.
func (m *Member) keepHouse(ctx context.Context) error {
	ticker := m.cfg.Clock.NewTicker(housekeepingInterval)
	defer ticker.Stop()
	var truncated uint64
	for {
		index, err := m.look()
		if err != nil {
			return fmt.Errorf("find out what the log may forget: %w", err)
		}
		if m.overQuota() {
			m.raiseNoSpace(ctx)
		}
		if index > truncated {
			select {
			case m.appender.truncate <- index:
				truncated = index
			default: // the last one is not done yet
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C():
		}
	}
}

// look measures the state and returns what truncatable does.
func (m *Member) look() (uint64, error) {
	if !m.gate.enter() {
		return 0, nil
	}
	defer m.gate.leave()
	m.measure()
	return m.truncatable()
}

// truncatable returns the newest log index that nobody needs any more: it is in the state's files, not only in its
// memory, and members that are a little behind do not ask for it.
func (m *Member) truncatable() (uint64, error) {
	durable, err := m.store().DurableApplied()
	if err != nil {
		return 0, err
	}
	if len(m.members.list()) == 1 {
		return durable, nil
	}
	keep := max(m.cfg.SnapshotCount, logEntriesKeptMin)
	if durable <= keep {
		return 0, nil
	}
	if index, sending := m.cfg.Transport.OldestTransfer(); sending {
		return min(durable-keep, index), nil
	}
	return durable - keep, nil
}

// measure looks up how much of the disk the state has in use. What is deleted and only waits for the storage engine to
// give it back does not count: no defragmentation is needed to get below a quota.
func (m *Member) measure() {
	_, inUse := m.store().Size()
	m.inUse.Store(inUse)
}

// overQuota goes by the last look, as long as that was good news.
func (m *Member) overQuota() bool {
	if m.cfg.QuotaBytes <= 0 || m.inUse.Load() <= m.cfg.QuotaBytes {
		return false
	}
	if !m.gate.enter() {
		return false // the proposal will be refused anyway
	}
	defer m.gate.leave()
	m.measure()
	return m.inUse.Load() > m.cfg.QuotaBytes
}

// raiseNoSpace makes the cluster refuse writes that need space. It is tried again at the next look if it fails.
func (m *Member) raiseNoSpace(ctx context.Context) {
	if m.store().Raised(m.cfg.MemberID, consensusv1.Alarm_TYPE_NOSPACE) {
		return
	}
	m.log.Warn("the state has outgrown its quota, writes are refused until space is freed and the alarm is disarmed",
		"size", m.inUse.Load(), "quota", m.cfg.QuotaBytes)
	m.raiseAlarm(ctx, m.cfg.MemberID, consensusv1.Alarm_TYPE_NOSPACE)
}

// raiseAlarm raises an alarm in a member's name, unless it is raised already. Whoever needs it tries again.
func (m *Member) raiseAlarm(ctx context.Context, member uint64, kind consensusv1.Alarm_Type) {
	if m.store().Raised(member, kind) {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	alarm := &consensusv1.Alarm{MemberId: member, Type: kind}
	_, err := m.propose(ctx, &consensusv1.Command{Command: &consensusv1.Command_Alarm{Alarm: &consensusv1.AlarmOp{Alarm: alarm}}})
	if err != nil {
		m.log.Warn("could not raise an alarm, will try again", "alarm", alarmName(alarm), "member", memberID(member), "error", err)
		return
	}
	m.log.Warn("raised an alarm", "alarm", alarmName(alarm), "member", memberID(member))
}
