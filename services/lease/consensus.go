package lease

import (
	"context"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// Consensus is what the lease service asks of the replicated store. All its reads must be linearizable, and ReadIndex
// and Status must be answered by the same member.
type Consensus interface {
	// Propose replicates a grant, revoke, acquire or checkpoint.
	Propose(context.Context, *consensusv1.ProposeRequest) (*consensusv1.ProposeResponse, error)
	// ReadIndex waits until the member that answers Status has caught up with this moment.
	ReadIndex(context.Context, *consensusv1.ReadIndexRequest) (*consensusv1.ReadIndexResponse, error)
	// Status is asked for the newest lease epoch alone.
	Status(context.Context, *consensusv1.StatusRequest) (*consensusv1.StatusResponse, error)
	// Leases lists every lease that exists.
	Leases(context.Context, *consensusv1.LeasesRequest) (*consensusv1.LeasesResponse, error)
	// LeaseKeys lists the keys of a lease; problem.ErrLeaseNotFound when there is no such lease.
	LeaseKeys(context.Context, *consensusv1.LeaseKeysRequest) (*consensusv1.LeaseKeysResponse, error)
}
