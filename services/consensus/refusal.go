package consensus

import (
	"errors"

	"github.com/quoratedb/quorate/pkg/problem"
)

// refusals are the errors with which the state machine declines a command, on every member alike and without effect.
// Any other error means that a member's own storage failed it.
var refusals = []error{
	problem.ErrCompacted,
	problem.ErrFutureRevision,
	problem.ErrKeyNotFound,
	problem.ErrLeaseNotFound,
	problem.ErrLeaseExists,
	problem.ErrLeaseTTLTooLarge,
	problem.ErrStaleEpoch,
	problem.ErrNoSpace,
	problem.ErrCorrupt,
	problem.ErrMemberNotFound,
	problem.ErrMemberRemoved,
	problem.ErrMemberExists,
	problem.ErrPeerInUse,
	problem.ErrTooManyLearners,
	problem.ErrNotLearner,
	problem.ErrTooLarge,
}

func refusal(err error) bool {
	for _, r := range refusals {
		if errors.Is(err, r) {
			return true
		}
	}
	return false
}
