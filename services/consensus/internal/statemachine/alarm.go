package statemachine

import (
	"slices"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// corrupt tells whether the state of the whole cluster is given up. An alarm that names a member concerns that member
// alone: the others apply what it cannot be trusted with.
func corrupt(b *Batch) bool {
	return slices.ContainsFunc(b.rows.Alarms(), func(a *consensusv1.Alarm) bool {
		return a.GetType() == consensusv1.Alarm_TYPE_CORRUPT && a.GetMemberId() == 0
	})
}

// raised tells whether an alarm of a type is raised, in whosever name.
func raised(b *Batch, kind consensusv1.Alarm_Type) bool {
	return slices.ContainsFunc(b.rows.Alarms(), func(a *consensusv1.Alarm) bool { return a.GetType() == kind })
}

// alarm raises or lowers alarms. It is the one command that a corrupt store still takes: it is the way out.
func alarm(b *Batch, op *consensusv1.AlarmOp) (*consensusv1.Result, error) {
	res := &consensusv1.AlarmResult{}
	if op.GetDisarm() {
		res.Changed = lowerAlarms(b, op.GetAlarm())
	} else {
		res.Changed = raiseAlarm(b, op.GetAlarm())
	}
	return &consensusv1.Result{Result: &consensusv1.Result_Alarm{Alarm: res}}, nil
}

// raiseAlarm returns the alarm if it was not raised yet. There is no alarm without a type. What a member has raised by
// itself stays until it is lowered by hand once somebody else raises it too.
func raiseAlarm(b *Batch, alarm *consensusv1.Alarm) []*consensusv1.Alarm {
	if alarm.GetType() == consensusv1.Alarm_TYPE_UNSPECIFIED {
		return nil
	}
	old := b.rows.Alarm(alarm.GetMemberId(), alarm.GetType())
	if old != nil && (alarm.GetAutomatic() || !old.GetAutomatic()) {
		return nil
	}
	b.rows.SetAlarm(alarm)
	return []*consensusv1.Alarm{alarm}
}

// lowerAlarms returns the alarms that were raised and match: no type stands for all, and so does member 0. Whether an alarm
// is automatic is for those who propose to look at: a member whose earlier program stored it without that would keep what
// the others lower.
func lowerAlarms(b *Batch, match *consensusv1.Alarm) []*consensusv1.Alarm {
	var lowered []*consensusv1.Alarm
	for _, a := range b.rows.Alarms() {
		if match.GetMemberId() != 0 && match.GetMemberId() != a.GetMemberId() ||
			match.GetType() != consensusv1.Alarm_TYPE_UNSPECIFIED && match.GetType() != a.GetType() {
			continue
		}
		lowered = append(lowered, a)
		b.rows.DropAlarm(a)
	}
	return lowered
}
