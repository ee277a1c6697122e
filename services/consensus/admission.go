package consensus

import (
	"errors"
	"fmt"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/consensus/internal/audit"
	"github.com/quoratedb/quorate/services/consensus/internal/replication"
)

// applyLagMax is how many entries may be committed and not applied before new commands are refused, as in etcd: a state
// that does not keep up must not be given more to do.
const applyLagMax = 5000

// circumstances are what decides whether a command may be proposed.
type circumstances struct {
	// trust is why this member's state is not to be believed (errdefs.ErrCorrupt), nil if it is.
	trust error
	room  room
	// committed and applied are the newest indexes of the log.
	committed, applied uint64
}

// mayPropose says why a command may not be proposed: errdefs.ErrCorrupt where what it answers cannot be believed, ErrNoSpace where it makes
// the state larger and there is no room for that, and ErrTooManyRequests while the state does not keep up with the log. The last bound,
// that of what waits in line, is behind the line's lock (replication.Replica.Submit).
func mayPropose(command *consensusv1.Command, now circumstances) error {
	if now.trust != nil && !wayOut(command) {
		return now.trust
	}
	if err := now.room.refusal(command); err != nil {
		return err
	}
	if now.committed > now.applied+applyLagMax {
		return fmt.Errorf("%d entries are committed and not applied: %w", now.committed-now.applied, errdefs.ErrTooManyRequests)
	}
	return nil
}

// admission asks mayPropose, as of now.
type admission struct {
	trust   *audit.Trust
	space   *quota
	replica *replication.Replica
}

func (a admission) admit(command *consensusv1.Command) error {
	err := mayPropose(command, circumstances{a.trust.Check(), a.space.room(), a.replica.Committed(), a.replica.Applied()})
	if errors.Is(err, errdefs.ErrNoSpace) {
		nudge(a.space.pressed)
	}
	if err != nil {
		return fmt.Errorf("propose: %w", err)
	}
	return nil
}

// wayOut tells the commands whose result does not come from the state of the member that proposes them.
func wayOut(command *consensusv1.Command) bool {
	switch command.GetCommand().(type) {
	case *consensusv1.Command_Alarm, *consensusv1.Command_Publish:
		return true
	}
	return false
}
