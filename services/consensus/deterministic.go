package consensus

import (
	"errors"

	"github.com/quoratedb/quorate/pkg/errdefs"
	"github.com/quoratedb/quorate/services/consensus/internal/membership"
)

// deterministicErrors are those with which the state machine declines a command, on every member alike and without effect.
// Any other error means that a member's own storage failed it.
var deterministicErrors = []error{
	errdefs.ErrCompacted,
	errdefs.ErrFutureRevision,
	errdefs.ErrKeyNotFound,
	errdefs.ErrLeaseNotFound,
	errdefs.ErrLeaseExists,
	errdefs.ErrLeaseTTLTooLarge,
	errdefs.ErrStaleEpoch,
	errdefs.ErrNoSpace,
	errdefs.ErrCorrupt,
	errdefs.ErrTooLarge,
	errdefs.ErrRootUserNotExist,
	errdefs.ErrRootRoleNotExist,
	errdefs.ErrUserExists,
	errdefs.ErrUserEmpty,
	errdefs.ErrUserNotFound,
	errdefs.ErrRoleExists,
	errdefs.ErrRoleEmpty,
	errdefs.ErrRoleNotFound,
	errdefs.ErrRoleNotGranted,
	errdefs.ErrPermissionNotGiven,
	errdefs.ErrPermissionNotGranted,
	errdefs.ErrPermissionDenied,
	errdefs.ErrInvalidAuthManagement,
	errdefs.ErrAuthOldRevision,
	errdefs.ErrQuotaExceeded,
	errdefs.ErrQuotaNotFound,
	errdefs.ErrTooManyQuotas,
}

// isDeterministic tells them, and those of a change of members, from errors of storage.
func isDeterministic(err error) bool {
	if membership.IsChangeError(err) {
		return true
	}
	for _, r := range deterministicErrors {
		if errors.Is(err, r) {
			return true
		}
	}
	return false
}
