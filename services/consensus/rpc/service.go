package rpc

import (
	"context"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// Service is a consensus member as its users see it. What each method does is told in proto/quorate/consensus/v1.
//
// A method that streams calls send for each message, in order and never at once, and ends when send fails, with its
// error. The messages belong to whoever got them.
type Service interface {
	Propose(context.Context, *consensusv1.ProposeRequest) (*consensusv1.ProposeResponse, error)
	Range(context.Context, *consensusv1.RangeRequest) (*consensusv1.RangeResponse, error)
	RangeStream(context.Context, *consensusv1.RangeStreamRequest, func(*consensusv1.RangeStreamResponse) error) error
	ReadTxn(context.Context, *consensusv1.ReadTxnRequest) (*consensusv1.ReadTxnResponse, error)
	ReadIndex(context.Context, *consensusv1.ReadIndexRequest) (*consensusv1.ReadIndexResponse, error)
	Position(context.Context, *consensusv1.PositionRequest) (*consensusv1.PositionResponse, error)
	Tail(context.Context, *consensusv1.TailRequest, func(*consensusv1.TailResponse) error) error
	History(context.Context, *consensusv1.HistoryRequest) (*consensusv1.HistoryResponse, error)
	Leases(context.Context, *consensusv1.LeasesRequest) (*consensusv1.LeasesResponse, error)
	LeaseKeys(context.Context, *consensusv1.LeaseKeysRequest) (*consensusv1.LeaseKeysResponse, error)
	Status(context.Context, *consensusv1.StatusRequest) (*consensusv1.StatusResponse, error)
	Members(context.Context, *consensusv1.MembersRequest) (*consensusv1.MembersResponse, error)
	AddMember(context.Context, *consensusv1.AddMemberRequest) (*consensusv1.AddMemberResponse, error)
	RemoveMember(context.Context, *consensusv1.RemoveMemberRequest) (*consensusv1.RemoveMemberResponse, error)
	UpdateMember(context.Context, *consensusv1.UpdateMemberRequest) (*consensusv1.UpdateMemberResponse, error)
	PromoteMember(context.Context, *consensusv1.PromoteMemberRequest) (*consensusv1.PromoteMemberResponse, error)
	MoveLeader(context.Context, *consensusv1.MoveLeaderRequest) (*consensusv1.MoveLeaderResponse, error)
	Alarms(context.Context, *consensusv1.AlarmsRequest) (*consensusv1.AlarmsResponse, error)
	HashKV(context.Context, *consensusv1.HashKVRequest) (*consensusv1.HashKVResponse, error)
	HoldLeases(context.Context, *consensusv1.HoldLeasesRequest) (*consensusv1.HoldLeasesResponse, error)
	WaitCompacted(context.Context, *consensusv1.WaitCompactedRequest) (*consensusv1.WaitCompactedResponse, error)
	Defragment(context.Context, *consensusv1.DefragmentRequest) (*consensusv1.DefragmentResponse, error)
	Snapshot(context.Context, *consensusv1.SnapshotRequest, func(*consensusv1.SnapshotResponse) error) error
}
