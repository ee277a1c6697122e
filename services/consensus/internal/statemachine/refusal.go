package statemachine

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

// Refuses tells the errors of Apply that decline a command from those of storage.
func Refuses(err error) bool {
	for _, r := range refusals {
		if errors.Is(err, r) {
			return true
		}
	}
	return false
}
