package v3

import (
	"context"
	"fmt"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// MaintenanceServer is etcd's Maintenance service.
type MaintenanceServer struct {
	etcdserverpb.UnimplementedMaintenanceServer
	*backend
	version, storageVersion string
}

// Status tells how the member is. It asks no other member.
func (s *MaintenanceServer) Status(ctx context.Context, _ *etcdserverpb.StatusRequest) (*etcdserverpb.StatusResponse, error) {
	found, err := s.consensus.Status(ctx, &consensusv1.StatusRequest{Nearest: true})
	if err != nil {
		return nil, s.failure(ctx, err)
	}
	troubles, err := s.troubles(ctx, found)
	if err != nil {
		return nil, err
	}
	id := identity{clusterID: found.GetClusterId(), memberID: found.GetMemberId()}
	return &etcdserverpb.StatusResponse{
		Header:           id.header(found.GetRevision(), found.GetRaftTerm()),
		Version:          s.version,
		StorageVersion:   s.storageVersion,
		DbSize:           found.GetDbSize(),
		DbSizeInUse:      found.GetDbSizeInUse(),
		DbSizeQuota:      found.GetDbSizeQuota(),
		Leader:           found.GetLeaderId(),
		RaftIndex:        found.GetRaftIndex(),
		RaftTerm:         found.GetRaftTerm(),
		RaftAppliedIndex: found.GetRaftAppliedIndex(),
		Errors:           troubles,
		IsLearner:        found.GetIsLearner(),
		DowngradeInfo:    &etcdserverpb.DowngradeInfo{},
	}, nil
}

// troubles names, in etcd's words, what keeps a member from serving.
func (s *MaintenanceServer) troubles(ctx context.Context, found *consensusv1.StatusResponse) ([]string, error) {
	var troubles []string
	if found.GetLeaderId() == 0 {
		troubles = append(troubles, rpctypes.ErrNoLeader.Error())
	}
	listed, err := s.consensus.Alarms(ctx, &consensusv1.AlarmsRequest{})
	if err != nil {
		return nil, s.failure(ctx, err)
	}
	for _, alarm := range fromAlarms(listed.GetAlarms()) {
		troubles = append(troubles, fmt.Sprintf("memberID:%d alarm:%s", alarm.GetMemberID(), alarm.GetAlarm()))
	}
	return troubles, nil
}

// Defragment has the store tidy up its files, which stops nobody: it would do so by itself in its own time.
func (s *MaintenanceServer) Defragment(ctx context.Context, _ *etcdserverpb.DefragmentRequest) (*etcdserverpb.DefragmentResponse, error) {
	if _, err := s.consensus.Defragment(ctx, &consensusv1.DefragmentRequest{}); err != nil {
		return nil, s.failure(ctx, err)
	}
	return &etcdserverpb.DefragmentResponse{}, nil
}

// Hash hashes the newest state. Equal members have equal hashes; etcd's hashes its file and never equals it.
func (s *MaintenanceServer) Hash(ctx context.Context, _ *etcdserverpb.HashRequest) (*etcdserverpb.HashResponse, error) {
	hashed, header, err := s.hash(ctx, 0)
	if err != nil {
		return nil, err
	}
	return &etcdserverpb.HashResponse{Header: header, Hash: hashed.GetHash()}, nil
}

// HashKV hashes what is visible at a revision, 0 for the newest, as etcd does. It takes as long as it takes.
// The compacted revision of a store that was never compacted is -1, and clients compare it between members.
func (s *MaintenanceServer) HashKV(ctx context.Context, r *etcdserverpb.HashKVRequest) (*etcdserverpb.HashKVResponse, error) {
	hashed, header, err := s.hash(ctx, r.GetRevision())
	if err != nil {
		return nil, err
	}
	compacted := hashed.GetCompactedRevision()
	if compacted == 0 {
		compacted = -1
	}
	return &etcdserverpb.HashKVResponse{
		Header:          header,
		Hash:            hashed.GetHash(),
		CompactRevision: compacted,
		HashRevision:    hashed.GetHashRevision(),
	}, nil
}

func (s *MaintenanceServer) hash(ctx context.Context, revision int64) (*consensusv1.HashKVResponse, *etcdserverpb.ResponseHeader, error) {
	hashed, err := s.consensus.HashKV(ctx, &consensusv1.HashKVRequest{Revision: revision})
	if err != nil {
		return nil, nil, s.failure(ctx, err)
	}
	header, err := s.headerNow(ctx)
	if err != nil {
		return nil, nil, err
	}
	header.Revision = hashed.GetRevision()
	return hashed, header, nil
}

// Snapshot streams the whole state as a file of etcd's format with its SHA-256 at the end.
func (s *MaintenanceServer) Snapshot(_ *etcdserverpb.SnapshotRequest, stream grpc.ServerStreamingServer[etcdserverpb.SnapshotResponse]) error {
	ctx := stream.Context()
	err := s.consensus.Snapshot(ctx, &consensusv1.SnapshotRequest{}, func(part *consensusv1.SnapshotResponse) error {
		return stream.Send(&etcdserverpb.SnapshotResponse{
			RemainingBytes: part.GetRemainingBytes(),
			Blob:           part.GetBlob(),
			Version:        s.storageVersion,
		})
	})
	return s.failure(ctx, err)
}

// MoveLeader hands leadership to another voter. Only the leader can.
func (s *MaintenanceServer) MoveLeader(ctx context.Context, r *etcdserverpb.MoveLeaderRequest) (*etcdserverpb.MoveLeaderResponse, error) {
	_, header, err := change(ctx, s.backend, s.consensus.MoveLeader, &consensusv1.MoveLeaderRequest{Id: r.GetTargetID()})
	if err != nil {
		return nil, err
	}
	return &etcdserverpb.MoveLeaderResponse{Header: header}, nil
}
