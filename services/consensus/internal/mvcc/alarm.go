package mvcc

import (
	"cmp"
	"slices"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// Alarms returns the alarms that are raised, ordered by member and type. They must not be changed.
func (b *Batch) Alarms() []*consensusv1.Alarm { return b.now.alarms }

// Alarm returns the alarm of a member and type, nil if it is not raised.
func (b *Batch) Alarm(member uint64, kind consensusv1.Alarm_Type) *consensusv1.Alarm {
	return findAlarm(b.now.alarms, member, kind)
}

// SetAlarm raises an alarm, or replaces the one of the same member and type.
func (b *Batch) SetAlarm(alarm *consensusv1.Alarm) {
	i, raised := slices.BinarySearchFunc(b.now.alarms, alarm, compareAlarms)
	// Readers hold the old slice.
	b.now.alarms = slices.Clone(b.now.alarms)
	if raised {
		b.now.alarms[i] = alarm
	} else {
		b.now.alarms = slices.Insert(b.now.alarms, i, alarm)
		b.now.replace(0, hashAlarm(alarm))
	}
	b.w.set(appendAlarmKey(b.w.keyBuf[:0], alarm.GetMemberId(), int32(alarm.GetType())), alarmRecord(alarm))
}

// DropAlarm lowers an alarm that is raised.
func (b *Batch) DropAlarm(alarm *consensusv1.Alarm) {
	var kept []*consensusv1.Alarm
	for _, a := range b.now.alarms {
		if compareAlarms(a, alarm) != 0 {
			kept = append(kept, a)
		}
	}
	b.now.alarms = kept
	b.now.replace(hashAlarm(alarm), 0)
	b.w.delete(appendAlarmKey(b.w.keyBuf[:0], alarm.GetMemberId(), int32(alarm.GetType())))
}

// findAlarm returns the alarm of a member and type, nil if it is not among those that are raised.
func findAlarm(raised []*consensusv1.Alarm, member uint64, kind consensusv1.Alarm_Type) *consensusv1.Alarm {
	i, found := slices.BinarySearchFunc(raised, &consensusv1.Alarm{MemberId: member, Type: kind}, compareAlarms)
	if !found {
		return nil
	}
	return raised[i]
}

// alarmRecord is what is stored of an alarm beside its key: nothing, or a byte that is 1 if it is automatic.
func alarmRecord(alarm *consensusv1.Alarm) []byte {
	if alarm.GetAutomatic() {
		return []byte{1}
	}
	return nil
}

// alarmOf reads the alarm that a row stands for.
func alarmOf(k, v []byte) (*consensusv1.Alarm, error) {
	member, kind, err := splitAlarmKey(k)
	if err != nil {
		return nil, err
	}
	return &consensusv1.Alarm{MemberId: member, Type: consensusv1.Alarm_Type(kind), Automatic: len(v) == 1 && v[0] == 1}, nil
}

func compareAlarms(a, b *consensusv1.Alarm) int {
	return cmp.Or(cmp.Compare(a.GetMemberId(), b.GetMemberId()), cmp.Compare(a.GetType(), b.GetType()))
}
