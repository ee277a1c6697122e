package mvcc

import (
	"cmp"
	"slices"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// corrupt tells whether the state of the whole cluster is given up. An alarm that names a member concerns that member
// alone: the others apply what it cannot be trusted with.
func (b *Batch) corrupt() bool {
	return slices.ContainsFunc(b.now.alarms, func(a *consensusv1.Alarm) bool {
		return a.GetType() == consensusv1.Alarm_TYPE_CORRUPT && a.GetMemberId() == 0
	})
}

// applyAlarm raises or lowers alarms. It is the one command that a corrupt store still takes: it is the way out.
func (b *Batch) applyAlarm(op *consensusv1.AlarmOp) (*consensusv1.Result, error) {
	res := &consensusv1.AlarmResult{}
	if op.GetDisarm() {
		res.Changed = b.lowerAlarms(op.GetAlarm())
	} else {
		res.Changed = b.raiseAlarm(op.GetAlarm())
	}
	return &consensusv1.Result{Result: &consensusv1.Result_Alarm{Alarm: res}}, nil
}

// raiseAlarm returns the alarm if it was not raised yet. There is no alarm without a type. What a member has raised by
// itself stays until it is lowered by hand once somebody else raises it too.
func (b *Batch) raiseAlarm(alarm *consensusv1.Alarm) []*consensusv1.Alarm {
	i, raised := slices.BinarySearchFunc(b.now.alarms, alarm, compareAlarms)
	if alarm.GetType() == consensusv1.Alarm_TYPE_UNSPECIFIED || raised && (alarm.GetAutomatic() || !b.now.alarms[i].GetAutomatic()) {
		return nil
	}
	// Readers hold the old slice.
	b.now.alarms = slices.Clone(b.now.alarms)
	if raised {
		b.now.alarms[i] = alarm
	} else {
		b.now.alarms = slices.Insert(b.now.alarms, i, alarm)
		b.now.replace(0, hashAlarm(alarm))
	}
	b.set(appendAlarmKey(b.keyBuf[:0], alarm.GetMemberId(), int32(alarm.GetType())), alarmRecord(alarm))
	return []*consensusv1.Alarm{alarm}
}

// lowerAlarms returns the alarms that were raised and match: no type stands for all, and so does member 0. Whether an alarm
// is automatic is for those who propose to look at: a member whose earlier program stored it without that would keep what
// the others lower.
func (b *Batch) lowerAlarms(match *consensusv1.Alarm) []*consensusv1.Alarm {
	var kept, lowered []*consensusv1.Alarm
	for _, a := range b.now.alarms {
		if match.GetMemberId() != 0 && match.GetMemberId() != a.GetMemberId() ||
			match.GetType() != consensusv1.Alarm_TYPE_UNSPECIFIED && match.GetType() != a.GetType() {
			kept = append(kept, a)
			continue
		}
		lowered = append(lowered, a)
		b.now.replace(hashAlarm(a), 0)
		b.delete(appendAlarmKey(b.keyBuf[:0], a.GetMemberId(), int32(a.GetType())))
	}
	b.now.alarms = kept
	return lowered
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
