package etcderr

import (
	"github.com/quoratedb/quorate/pkg/problem"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
)

// row says which of etcd's errors stands for a refusal.
type row struct {
	refusal error
	answer  error
}

// table holds every refusal that can cross a port. Its order matters only for an error that wraps two of them: the
// first one wins. A test compares it with the sentinels that package problem exports.
var table = []row{
	{problem.ErrCompacted, rpctypes.ErrGRPCCompacted},
	{problem.ErrFutureRevision, rpctypes.ErrGRPCFutureRev},
	{problem.ErrKeyNotFound, rpctypes.ErrGRPCKeyNotFound},
	{problem.ErrLeaseNotFound, rpctypes.ErrGRPCLeaseNotFound},
	{problem.ErrLeaseExists, rpctypes.ErrGRPCLeaseExist},
	{problem.ErrLeaseTTLTooLarge, rpctypes.ErrGRPCLeaseTTLTooLarge},
	// A lease service that lost its right is this system's own affair. To a client it means that somebody else leads
	// now and that trying again helps.
	{problem.ErrStaleEpoch, rpctypes.ErrGRPCLeaderChanged},
	{problem.ErrNoSpace, rpctypes.ErrGRPCNoSpace},
	{problem.ErrCorrupt, rpctypes.ErrGRPCCorrupt},
	{problem.ErrNoLeader, rpctypes.ErrGRPCNoLeader},
	{problem.ErrLeaderChanged, rpctypes.ErrGRPCLeaderChanged},
	{problem.ErrLeaderFailed, rpctypes.ErrGRPCTimeoutDueToLeaderFail},
	{problem.ErrConnectionLost, rpctypes.ErrGRPCTimeoutDueToConnectionLost},
	{problem.ErrTimeout, rpctypes.ErrGRPCTimeout},
	{problem.ErrTooManyRequests, rpctypes.ErrGRPCRequestTooManyRequests},
	{problem.ErrTooLarge, rpctypes.ErrGRPCRequestTooLarge},
	{problem.ErrMemberNotFound, rpctypes.ErrGRPCMemberNotFound},
	{problem.ErrMemberRemoved, rpctypes.ErrGRPCMemberNotFound},
	{problem.ErrMemberExists, rpctypes.ErrGRPCMemberExist},
	{problem.ErrPeerInUse, rpctypes.ErrGRPCPeerURLExist},
	{problem.ErrTooManyLearners, rpctypes.ErrGRPCTooManyLearners},
	{problem.ErrNotLearner, rpctypes.ErrGRPCMemberNotLearner},
	{problem.ErrLearnerNotReady, rpctypes.ErrGRPCLearnerNotReady},
	{problem.ErrNotEnoughStarted, rpctypes.ErrGRPCMemberNotEnoughStarted},
	{problem.ErrUnhealthy, rpctypes.ErrGRPCUnhealthy},
	{problem.ErrNotLeader, rpctypes.ErrGRPCNotLeader},
	{problem.ErrBadTransferee, rpctypes.ErrGRPCBadLeaderTransferee},
	{problem.ErrStopped, rpctypes.ErrGRPCStopped},
}
