package etcderr

import (
	"github.com/quoratedb/quorate/pkg/errdefs"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// row says which of etcd's errors stands for a refusal.
type row struct {
	refusal error
	answer  error
}

// table holds every refusal that can cross a port. Its order matters only for an error that wraps two of them: the
// first one wins. A test compares it with the sentinels that package errdefs exports.
var table = []row{
	{errdefs.ErrCompacted, rpctypes.ErrGRPCCompacted},
	{errdefs.ErrFutureRevision, rpctypes.ErrGRPCFutureRev},
	{errdefs.ErrKeyNotFound, rpctypes.ErrGRPCKeyNotFound},
	{errdefs.ErrLeaseNotFound, rpctypes.ErrGRPCLeaseNotFound},
	{errdefs.ErrLeaseExists, rpctypes.ErrGRPCLeaseExist},
	{errdefs.ErrLeaseTTLTooLarge, rpctypes.ErrGRPCLeaseTTLTooLarge},
	// A lease service that lost its right is this system's own affair. To a client it means that somebody else leads
	// now and that trying again helps.
	{errdefs.ErrStaleEpoch, rpctypes.ErrGRPCLeaderChanged},
	{errdefs.ErrNoSpace, rpctypes.ErrGRPCNoSpace},
	{errdefs.ErrCorrupt, rpctypes.ErrGRPCCorrupt},
	{errdefs.ErrNoLeader, rpctypes.ErrGRPCNoLeader},
	{errdefs.ErrLeaderChanged, rpctypes.ErrGRPCLeaderChanged},
	{errdefs.ErrLeaderFailed, rpctypes.ErrGRPCTimeoutDueToLeaderFail},
	{errdefs.ErrConnectionLost, rpctypes.ErrGRPCTimeoutDueToConnectionLost},
	{errdefs.ErrTimeout, rpctypes.ErrGRPCTimeout},
	{errdefs.ErrTooManyRequests, rpctypes.ErrGRPCRequestTooManyRequests},
	{errdefs.ErrTooLarge, rpctypes.ErrGRPCRequestTooLarge},
	{errdefs.ErrMemberNotFound, rpctypes.ErrGRPCMemberNotFound},
	{errdefs.ErrMemberRemoved, rpctypes.ErrGRPCMemberNotFound},
	{errdefs.ErrMemberExists, rpctypes.ErrGRPCMemberExist},
	{errdefs.ErrPeerInUse, rpctypes.ErrGRPCPeerURLExist},
	{errdefs.ErrTooManyLearners, rpctypes.ErrGRPCTooManyLearners},
	{errdefs.ErrNotLearner, rpctypes.ErrGRPCMemberNotLearner},
	{errdefs.ErrLearnerNotReady, rpctypes.ErrGRPCLearnerNotReady},
	{errdefs.ErrNotEnoughStarted, rpctypes.ErrGRPCMemberNotEnoughStarted},
	{errdefs.ErrUnhealthy, rpctypes.ErrGRPCUnhealthy},
	{errdefs.ErrNotLeader, rpctypes.ErrGRPCNotLeader},
	{errdefs.ErrBadTransferee, rpctypes.ErrGRPCBadLeaderTransferee},
	{errdefs.ErrRootUserNotExist, rpctypes.ErrGRPCRootUserNotExist},
	{errdefs.ErrRootRoleNotExist, rpctypes.ErrGRPCRootRoleNotExist},
	{errdefs.ErrUserExists, rpctypes.ErrGRPCUserAlreadyExist},
	{errdefs.ErrUserEmpty, rpctypes.ErrGRPCUserEmpty},
	{errdefs.ErrUserNotFound, rpctypes.ErrGRPCUserNotFound},
	{errdefs.ErrRoleExists, rpctypes.ErrGRPCRoleAlreadyExist},
	{errdefs.ErrRoleEmpty, rpctypes.ErrGRPCRoleEmpty},
	{errdefs.ErrRoleNotFound, rpctypes.ErrGRPCRoleNotFound},
	{errdefs.ErrRoleNotGranted, rpctypes.ErrGRPCRoleNotGranted},
	{errdefs.ErrPermissionNotGiven, rpctypes.ErrGRPCPermissionNotGiven},
	{errdefs.ErrPermissionNotGranted, rpctypes.ErrGRPCPermissionNotGranted},
	{errdefs.ErrPermissionDenied, rpctypes.ErrGRPCPermissionDenied},
	{errdefs.ErrAuthFailed, rpctypes.ErrGRPCAuthFailed},
	// etcd has no code for these two: what its libraries say goes through as it is.
	{errdefs.ErrNoPasswordUser, status.Error(codes.Unknown, "auth: authentication failed, password was given for no password user")},
	{errdefs.ErrPasswordTooLong, status.Error(codes.Unknown, "bcrypt: password length exceeds 72 bytes")},
	{errdefs.ErrAuthNotEnabled, rpctypes.ErrGRPCAuthNotEnabled},
	{errdefs.ErrInvalidAuthToken, rpctypes.ErrGRPCInvalidAuthToken},
	{errdefs.ErrInvalidAuthManagement, rpctypes.ErrGRPCInvalidAuthMgmt},
	{errdefs.ErrAuthOldRevision, rpctypes.ErrGRPCAuthOldRevision},
	// etcd knows no quotas by prefix. ErrQuotaExceeded has a text of its own: see From.
	{errdefs.ErrQuotaNotFound, status.Error(codes.NotFound, "quorate: prefix quota not found")},
	{errdefs.ErrTooManyQuotas, status.Error(codes.FailedPrecondition, "quorate: too many prefix quotas")},
	{errdefs.ErrStopped, rpctypes.ErrGRPCStopped},
}
