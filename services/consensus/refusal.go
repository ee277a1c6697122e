package consensus

import (
	"errors"

	"github.com/quoratedb/quorate/pkg/errdefs"
)

// refusals are the errors with which the state machine declines a command, on every member alike and without effect.
// Any other error means that a member's own storage failed it.
var refusals = []error{
	errdefs.ErrCompacted,
	errdefs.ErrFutureRevision,
	errdefs.ErrKeyNotFound,
	errdefs.ErrLeaseNotFound,
	errdefs.ErrLeaseExists,
	errdefs.ErrLeaseTTLTooLarge,
	errdefs.ErrStaleEpoch,
	errdefs.ErrNoSpace,
	errdefs.ErrCorrupt,
	errdefs.ErrMemberNotFound,
	errdefs.ErrMemberRemoved,
	errdefs.ErrMemberExists,
	errdefs.ErrPeerInUse,
	errdefs.ErrTooManyLearners,
	errdefs.ErrNotLearner,
	errdefs.ErrTooLarge,
}

func refusal(err error) bool {
	for _, r := range refusals {
		if errors.Is(err, r) {
			return true
		}
	}
	return false
}
