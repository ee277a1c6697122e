package consensus

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/quoratedb/quorate/pkg/errdefs"
	"github.com/quoratedb/quorate/pkg/identity"
)

// explain logs why a change of members was refused that could have cost the quorum. Its caller gets etcd's text, which does
// not say which members are meant.
func (m *membership) explain(log *slog.Logger, change string, id uint64, err error) {
	reason := ""
	switch {
	case errors.Is(err, errdefs.ErrNotEnoughStarted):
		reason = "too few voters have ever started to be a quorum of those that there would be: start the others, or remove them, first"
	case errors.Is(err, errdefs.ErrUnhealthy):
		reason = fmt.Sprintf("the voters that have been connected for %s are too few to be a quorum of those that there would be: nothing could be decided any more", healthyAfter)
	default:
		return // the error says it all; learners may ask again and again whether they are ready
	}
	var unstarted, unconnected []string
	voters := 0
	for _, member := range m.list() {
		if member.GetIsLearner() {
			continue
		}
		voters++
		who := cmp.Or(member.GetName(), identity.Format(member.GetId()))
		if member.GetName() == "" {
			unstarted = append(unstarted, who)
		}
		if !m.reachable(member.GetId(), time.Now().Add(-healthyAfter)) {
			unconnected = append(unconnected, who)
		}
	}
	args := []any{"change", change, "reason", reason, "voters", voters, "never-started", unstarted, "not-connected", unconnected, "error", err}
	if id != 0 {
		args = append(args, "member", identity.Format(id))
	}
	log.Warn("a change of members is refused", args...)
}
