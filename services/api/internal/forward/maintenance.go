package forward

import (
	"context"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"

	"github.com/quoratedb/quorate/services/api/internal/upstream"
)

// Maintenance is etcd's Maintenance service, of the member that takes the requests.
type Maintenance struct {
	etcdserverpb.UnsafeMaintenanceServer
	Cluster Cluster
}

// Alarm reads or changes alarms.
func (s *Maintenance) Alarm(ctx context.Context, r *etcdserverpb.AlarmRequest) (*etcdserverpb.AlarmResponse, error) {
	return call[etcdserverpb.AlarmResponse](ctx, s.Cluster, etcdserverpb.Maintenance_Alarm_FullMethodName, r)
}

// Status tells how the member is.
func (s *Maintenance) Status(ctx context.Context, r *etcdserverpb.StatusRequest) (*etcdserverpb.StatusResponse, error) {
	return call[etcdserverpb.StatusResponse](ctx, s.Cluster, etcdserverpb.Maintenance_Status_FullMethodName, r)
}

// Defragment tidies up the member's files.
func (s *Maintenance) Defragment(ctx context.Context, r *etcdserverpb.DefragmentRequest) (*etcdserverpb.DefragmentResponse, error) {
	return call[etcdserverpb.DefragmentResponse](ctx, s.Cluster, etcdserverpb.Maintenance_Defragment_FullMethodName, r)
}

// Hash hashes the member's whole state.
func (s *Maintenance) Hash(ctx context.Context, r *etcdserverpb.HashRequest) (*etcdserverpb.HashResponse, error) {
	return call[etcdserverpb.HashResponse](ctx, s.Cluster, etcdserverpb.Maintenance_Hash_FullMethodName, r)
}

// HashKV hashes keys and values.
func (s *Maintenance) HashKV(ctx context.Context, r *etcdserverpb.HashKVRequest) (*etcdserverpb.HashKVResponse, error) {
	return call[etcdserverpb.HashKVResponse](ctx, s.Cluster, etcdserverpb.Maintenance_HashKV_FullMethodName, r)
}

// MoveLeader hands leadership to another member.
func (s *Maintenance) MoveLeader(ctx context.Context, r *etcdserverpb.MoveLeaderRequest) (*etcdserverpb.MoveLeaderResponse, error) {
	return call[etcdserverpb.MoveLeaderResponse](ctx, s.Cluster, etcdserverpb.Maintenance_MoveLeader_FullMethodName, r)
}

// Downgrade asks for a lower version of the cluster.
func (s *Maintenance) Downgrade(ctx context.Context, r *etcdserverpb.DowngradeRequest) (*etcdserverpb.DowngradeResponse, error) {
	return call[etcdserverpb.DowngradeResponse](ctx, s.Cluster, etcdserverpb.Maintenance_Downgrade_FullMethodName, r)
}

// Snapshot streams the member's whole state.
func (s *Maintenance) Snapshot(r *etcdserverpb.SnapshotRequest, stream grpc.ServerStreamingServer[etcdserverpb.SnapshotResponse]) error {
	ctx, cancel := context.WithCancel(Outgoing(stream.Context()))
	defer cancel()
	pieces, err := etcdserverpb.NewMaintenanceClient(s.Cluster).Snapshot(ctx, r)
	if err != nil {
		return upstream.StreamError(err)
	}
	return pass(pieces, stream.Send)
}
