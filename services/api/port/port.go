// Package port declares what the API service asks of the other services. Each port is satisfied by the service itself,
// in one process, and by its Connect client, in many; nothing above a port can tell which it has.
package port

import (
	"context"

	"github.com/quoratedb/quorate/pkg/delivery"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	leasev1 "github.com/quoratedb/quorate/pkg/gen/quorate/lease/v1"
)

// Consensus is the replicated store. Its messages are immutable once passed, in both directions.
type Consensus interface {
	Propose(context.Context, *consensusv1.ProposeRequest) (*consensusv1.ProposeResponse, error)
	Range(context.Context, *consensusv1.RangeRequest) (*consensusv1.RangeResponse, error)
	RangeStream(context.Context, *consensusv1.RangeStreamRequest, func(*consensusv1.RangeStreamResponse) error) error
	ReadTxn(context.Context, *consensusv1.ReadTxnRequest) (*consensusv1.ReadTxnResponse, error)
	ReadIndex(context.Context, *consensusv1.ReadIndexRequest) (*consensusv1.ReadIndexResponse, error)
	Position(context.Context, *consensusv1.PositionRequest) (*consensusv1.PositionResponse, error)
	Status(context.Context, *consensusv1.StatusRequest) (*consensusv1.StatusResponse, error)
	Members(context.Context, *consensusv1.MembersRequest) (*consensusv1.MembersResponse, error)
	AddMember(context.Context, *consensusv1.AddMemberRequest) (*consensusv1.AddMemberResponse, error)
	RemoveMember(context.Context, *consensusv1.RemoveMemberRequest) (*consensusv1.RemoveMemberResponse, error)
	UpdateMember(context.Context, *consensusv1.UpdateMemberRequest) (*consensusv1.UpdateMemberResponse, error)
	PromoteMember(context.Context, *consensusv1.PromoteMemberRequest) (*consensusv1.PromoteMemberResponse, error)
	MoveLeader(context.Context, *consensusv1.MoveLeaderRequest) (*consensusv1.MoveLeaderResponse, error)
	Alarms(context.Context, *consensusv1.AlarmsRequest) (*consensusv1.AlarmsResponse, error)
	HashKV(context.Context, *consensusv1.HashKVRequest) (*consensusv1.HashKVResponse, error)
	WaitCompacted(context.Context, *consensusv1.WaitCompactedRequest) (*consensusv1.WaitCompactedResponse, error)
	Defragment(context.Context, *consensusv1.DefragmentRequest) (*consensusv1.DefragmentResponse, error)
	Snapshot(context.Context, *consensusv1.SnapshotRequest, func(*consensusv1.SnapshotResponse) error) error
}

// Tree is the part of the replicated store that the v2 API needs besides.
type Tree interface {
	ReadTree(context.Context, *consensusv1.ReadTreeRequest) (*consensusv1.ReadTreeResponse, error)
	TreeStatistics(context.Context, *consensusv1.TreeStatisticsRequest) (*consensusv1.TreeStatisticsResponse, error)
}

// Auth is who may do what. It belongs to the replicated store.
type Auth interface {
	Authenticate(context.Context, *consensusv1.AuthenticateRequest) (*consensusv1.AuthenticateResponse, error)
	Authorize(context.Context, *consensusv1.AuthorizeRequest) (*consensusv1.AuthorizeResponse, error)
	ReadAuth(context.Context, *consensusv1.ReadAuthRequest) (*consensusv1.ReadAuthResponse, error)
	// FollowAuth ends with ctx, when send fails and when the store stops.
	FollowAuth(context.Context, *consensusv1.FollowAuthRequest, func(*consensusv1.FollowAuthResponse) error) error
}

// Quotas are the quotas by prefix. They belong to the replicated store, and are changed by its commands.
type Quotas interface {
	ReadQuotas(context.Context, *consensusv1.ReadQuotasRequest) (*consensusv1.ReadQuotasResponse, error)
}

// Inspector shows a person what is below a prefix, what a key was and what was deleted. It belongs to the replicated store.
type Inspector interface {
	Inspect(context.Context, *consensusv1.InspectRequest) (*consensusv1.InspectResponse, error)
}

// Members are the members one by one. They belong to the replicated store.
type Members interface {
	// MemberStatus tells how a member is, by its own word.
	MemberStatus(ctx context.Context, id uint64) (*consensusv1.StatusResponse, error)
	// MoveLeader has whoever leads hand leadership to a member.
	MoveLeader(context.Context, *consensusv1.MoveLeaderRequest) (*consensusv1.MoveLeaderResponse, error)
}

// Lease counts leases down.
type Lease interface {
	Grant(context.Context, *leasev1.GrantRequest) (*leasev1.GrantResponse, error)
	Revoke(context.Context, *leasev1.RevokeRequest) (*leasev1.RevokeResponse, error)
	KeepAlive(context.Context, *leasev1.KeepAliveRequest) (*leasev1.KeepAliveResponse, error)
	TimeToLive(context.Context, *leasev1.TimeToLiveRequest) (*leasev1.TimeToLiveResponse, error)
	List(context.Context, *leasev1.ListRequest) (*leasev1.ListResponse, error)
}

// Watch opens watch sessions, one for each client stream.
type Watch interface {
	Open() delivery.Session
}
