package consensus

import (
	"context"
	"log/slog"
	"time"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/pkg/identity"
	"github.com/quoratedb/quorate/services/consensus/internal/gate"
)

// alarms raises and lowers alarms, which the log carries to all members.
type alarms struct {
	gate     *gate.Gate
	proposer *proposer
	log      *slog.Logger
}

// Raise raises an alarm in a member's name, unless it is raised already. Whoever needs it tries again. Want of space
// passes, and so does its alarm; damage does not.
func (a *alarms) Raise(ctx context.Context, member uint64, kind consensusv1.Alarm_Type) {
	if a.gate.State().Raised(member, kind) {
		return
	}
	alarm := &consensusv1.Alarm{MemberId: member, Type: kind, Automatic: kind == consensusv1.Alarm_TYPE_NOSPACE}
	if err := a.propose(ctx, &consensusv1.AlarmOp{Alarm: alarm}); err != nil {
		a.log.Warn("could not raise an alarm, will try again", "alarm", alarmName(alarm), "member", identity.Format(member), "error", err)
		return
	}
	a.log.Warn("raised an alarm", "alarm", alarmName(alarm), "member", identity.Format(member))
}

// lower lowers an alarm that a member has raised by itself.
func (a *alarms) lower(ctx context.Context, alarm *consensusv1.Alarm, why string) {
	if err := a.propose(ctx, &consensusv1.AlarmOp{Disarm: true, Alarm: alarm}); err != nil {
		a.log.Warn("could not lower an alarm, will try again", "alarm", alarmName(alarm), "member", identity.Format(alarm.GetMemberId()), "error", err)
		return
	}
	a.log.Info("lowered an alarm: "+why, "alarm", alarmName(alarm), "member", identity.Format(alarm.GetMemberId()))
}

func (a *alarms) propose(ctx context.Context, op *consensusv1.AlarmOp) error {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	_, err := a.proposer.internal(ctx, &consensusv1.Command{Command: &consensusv1.Command_Alarm{Alarm: op}})
	return err
}

func alarmName(alarm *consensusv1.Alarm) string {
	switch alarm.GetType() {
	case consensusv1.Alarm_TYPE_NOSPACE:
		return "NOSPACE"
	case consensusv1.Alarm_TYPE_CORRUPT:
		return "CORRUPT"
	}
	return "NONE"
}
