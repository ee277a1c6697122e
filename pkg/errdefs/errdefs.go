// Package errdefs names the errors that cross the ports between services. A service returns them (wrapped with
// %w and what it was doing), callers match them with errors.Is, and the API service alone turns them into etcd's
// codes and texts. It holds no text that reaches a client.
package errdefs

import "errors"

var (
	// ErrCompacted is returned by reads and watches below the compacted revision, and by a compaction that would go back.
	ErrCompacted = errors.New("revision has been compacted")
	// ErrFutureRevision is returned by reads and compactions above the newest revision.
	ErrFutureRevision = errors.New("revision is in the future")
	// ErrKeyNotFound is returned by a put that keeps the value or lease of a key that does not exist.
	ErrKeyNotFound = errors.New("key not found")
	// ErrLeaseNotFound is returned by whatever names a lease that does not exist.
	ErrLeaseNotFound = errors.New("lease not found")
	// ErrLeaseExists is returned by a grant of an id that is taken.
	ErrLeaseExists = errors.New("lease already exists")
	// ErrLeaseTTLTooLarge is returned by a grant of more time than a lease may have.
	ErrLeaseTTLTooLarge = errors.New("lease TTL is too large")
	// ErrStaleEpoch is returned to a lease service that no longer holds the right to expire leases.
	ErrStaleEpoch = errors.New("lease epoch is stale")
	// ErrNoSpace is returned by writes that need space while the NOSPACE alarm is raised or the quota is used up.
	ErrNoSpace = errors.New("database space exceeded")
	// ErrCorrupt is returned by reads and writes while the CORRUPT alarm is raised.
	ErrCorrupt = errors.New("corrupt member")
	// ErrNoLeader is returned when the cluster has no leader.
	ErrNoLeader = errors.New("no leader")
	// ErrLeaderChanged is returned when a proposal was lost or a read could not be confirmed as leadership moved.
	ErrLeaderChanged = errors.New("leader changed")
	// ErrTimeout is returned when a proposal or read was not confirmed in time. A proposal may still take effect.
	ErrTimeout = errors.New("request timed out")
	// ErrLeaderFailed and ErrConnectionLost are returned instead where that is the likely reason: there was no leader for
	// some of the time, or no connection to it, or from it to the others.
	ErrLeaderFailed   = errors.New("request timed out as there was no leader")
	ErrConnectionLost = errors.New("request timed out as a connection was lost")
	// ErrTooManyRequests is returned when the queue of proposals is full. The proposal has no effect.
	ErrTooManyRequests = errors.New("too many requests")
	// ErrTooLarge is returned by a proposal that does not fit a log entry, and by a read or deletion of a directory of the
	// tree that is too large for one answer.
	ErrTooLarge = errors.New("request is too large")
	// ErrMemberNotFound is returned by a change of a member that does not belong to the cluster.
	ErrMemberNotFound = errors.New("member not found")
	// ErrMemberRemoved is returned by a change of a member that was removed.
	ErrMemberRemoved = errors.New("member was removed")
	// ErrMemberExists is returned by an addition whose id is, or ever was, taken.
	ErrMemberExists = errors.New("member already exists")
	// ErrPeerInUse is returned by a change that would give two members the same peer URL.
	ErrPeerInUse = errors.New("peer URL is in use")
	// ErrTooManyLearners is returned by the addition of a learner beyond the limit.
	ErrTooManyLearners = errors.New("too many learners")
	// ErrNotLearner is returned by a promotion of a member that votes already.
	ErrNotLearner = errors.New("member is not a learner")
	// ErrLearnerNotReady is returned by a promotion of a learner that is far behind the leader.
	ErrLearnerNotReady = errors.New("learner is not in sync with the leader")
	// ErrNotEnoughStarted is returned by a change of members that could cost the quorum.
	ErrNotEnoughStarted = errors.New("not enough started members")
	// ErrUnhealthy is returned by a change of members while this member is not connected to all others.
	ErrUnhealthy = errors.New("cluster is unhealthy")
	// ErrNotLeader is returned by what only the leader can do. Nothing was done.
	ErrNotLeader = errors.New("member is not the leader")
	// ErrBadTransferee is returned by a move of leadership to a member that cannot lead.
	ErrBadTransferee = errors.New("member cannot take leadership")
	// ErrRootUserNotExist is returned by the enabling of authentication while there is no user root.
	ErrRootUserNotExist = errors.New("there is no user root")
	// ErrRootRoleNotExist is returned by the enabling of authentication while the user root has not the role root.
	ErrRootRoleNotExist = errors.New("the user root has not the role root")
	// ErrUserExists is returned by the addition of a user whose name is taken.
	ErrUserExists = errors.New("user already exists")
	// ErrUserEmpty is returned by the addition of a user without a name, and to a request of nobody where somebody must ask.
	ErrUserEmpty = errors.New("user name is empty")
	// ErrUserNotFound is returned by whatever names a user that does not exist.
	ErrUserNotFound = errors.New("user not found")
	// ErrRoleExists is returned by the addition of a role whose name is taken.
	ErrRoleExists = errors.New("role already exists")
	// ErrRoleEmpty is returned by the addition of a role without a name.
	ErrRoleEmpty = errors.New("role name is empty")
	// ErrRoleNotFound is returned by whatever names a role that does not exist.
	ErrRoleNotFound = errors.New("role not found")
	// ErrRoleNotGranted is returned by the revocation of a role that the user has not.
	ErrRoleNotGranted = errors.New("role is not granted to the user")
	// ErrPermissionNotGiven is returned by the grant of no permission.
	ErrPermissionNotGiven = errors.New("permission is not given")
	// ErrPermissionNotGranted is returned by the revocation of a permission that the role has not.
	ErrPermissionNotGranted = errors.New("permission is not granted to the role")
	// ErrPermissionDenied is returned to a caller who may not do what it asks for.
	ErrPermissionDenied = errors.New("permission denied")
	// ErrAuthFailed is returned for a name and password that do not belong together.
	ErrAuthFailed = errors.New("authentication failed")
	// ErrNoPasswordUser is returned by a log-in of a user who has no password.
	ErrNoPasswordUser = errors.New("user has no password")
	// ErrPasswordTooLong is returned for a new password of more than 72 bytes, which is all that bcrypt looks at.
	ErrPasswordTooLong = errors.New("password is too long")
	// ErrAuthNotEnabled is returned by a log-in while authentication is not enabled.
	ErrAuthNotEnabled = errors.New("authentication is not enabled")
	// ErrInvalidAuthToken is returned for a token that was never made, or has ended.
	ErrInvalidAuthToken = errors.New("invalid authentication token")
	// ErrInvalidAuthManagement is returned by a change that would leave nobody to administer the store, and by the grant of an empty range.
	ErrInvalidAuthManagement = errors.New("invalid change of users and roles")
	// ErrAuthOldRevision is returned for a signed token that is older than the last change of its user or of a role of the user's.
	ErrAuthOldRevision = errors.New("authentication token is of an old revision")
	// ErrQuotaExceeded is returned by writes that would lead beyond the hard limit of a prefix. Its text, with the prefix, the limit and
	// what is in use, is for the client too.
	ErrQuotaExceeded = errors.New("prefix quota exceeded")
	// ErrQuotaNotFound is returned by the deletion of a prefix's quota that does not exist.
	ErrQuotaNotFound = errors.New("prefix quota not found")
	// ErrTooManyQuotas is returned by the setting of a prefix's quota beyond the number that a store may have.
	ErrTooManyQuotas = errors.New("too many prefix quotas")
	// ErrStopped is returned once the service has stopped or is stopping.
	ErrStopped = errors.New("service stopped")
)
