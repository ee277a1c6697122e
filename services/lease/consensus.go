package lease

import (
	"context"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// Consensus is what the lease service asks of the replicated store. All its reads must be linearizable.
type Consensus interface {
	// Propose replicates a grant, revoke, acquire or checkpoint.
	Propose(context.Context, *consensusv1.ProposeRequest) (*consensusv1.ProposeResponse, error)
	// ReadIndex is asked for the newest lease epoch, as it is after everything that was acknowledged before the call.
	ReadIndex(context.Context, *consensusv1.ReadIndexRequest) (*consensusv1.ReadIndexResponse, error)
	// Leases lists every lease that exists.
	Leases(context.Context, *consensusv1.LeasesRequest) (*consensusv1.LeasesResponse, error)
	// LeaseKeys lists the keys of a lease; errdefs.ErrLeaseNotFound when there is no such lease.
	LeaseKeys(context.Context, *consensusv1.LeaseKeysRequest) (*consensusv1.LeaseKeysResponse, error)
}
