package membership

import (
	"cmp"
	"errors"
	"fmt"

	"github.com/quoratedb/quorate/pkg/errdefs"
	"github.com/quoratedb/quorate/pkg/identity"
)

// Explain returns what the log says of a change of members that was refused because it could have cost the quorum, nil for other
// errors, which say it all. Its caller gets etcd's text, which does not say which members are meant.
func Explain(s Situation, change string, id uint64, err error) []any {
	reason := ""
	switch {
	case errors.Is(err, errdefs.ErrNotEnoughStarted):
		reason = "too few voters have ever started to be a quorum of those that there would be: start the others, or remove them, first"
	case errors.Is(err, errdefs.ErrUnhealthy):
		reason = fmt.Sprintf("the voters that have been connected for %s are too few to be a quorum of those that there would be: nothing could be decided any more", healthyAfter)
	default:
		return nil // learners may ask again and again whether they are ready
	}
	var unstarted, unconnected []string
	voters := 0
	for _, member := range s.Version.GetMembers() {
		if member.GetIsLearner() {
			continue
		}
		voters++
		who := cmp.Or(member.GetName(), identity.Format(member.GetId()))
		if member.GetName() == "" {
			unstarted = append(unstarted, who)
		}
		if !s.Reachable(member.GetId(), s.Now.Add(-healthyAfter)) {
			unconnected = append(unconnected, who)
		}
	}
	args := []any{"change", change, "reason", reason, "voters", voters, "never-started", unstarted, "not-connected", unconnected, "error", err}
	if id != 0 {
		args = append(args, "member", identity.Format(id))
	}
	return args
}
