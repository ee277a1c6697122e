package v3

import (
	"context"
	"strings"

	"github.com/coreos/go-semver/semver"
	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// errUnknownDowngradeAction is etcd's.
var errUnknownDowngradeAction = status.Error(codes.Unknown, "etcdserver: unknown method")

// Downgrade says that there is no version to downgrade to: no member writes for another version than its own, and an older program
// refuses data that it does not know. The way back, to etcd too, is a snapshot. To cancel what was not begun is no error in etcd either.
func (s *MaintenanceServer) Downgrade(ctx context.Context, r *etcdserverpb.DowngradeRequest) (*etcdserverpb.DowngradeResponse, error) {
	switch r.GetAction() {
	case etcdserverpb.DowngradeRequest_VALIDATE, etcdserverpb.DowngradeRequest_ENABLE:
		if _, err := semver.NewVersion(r.GetVersion()); err != nil {
			if _, err := semver.NewVersion(r.GetVersion() + ".0"); err != nil {
				return nil, rpctypes.ErrGRPCWrongDowngradeVersionFormat
			}
		}
		return nil, rpctypes.ErrGRPCInvalidDowngradeTargetVersion
	case etcdserverpb.DowngradeRequest_CANCEL:
		found, err := s.consensus.Status(ctx, &consensusv1.StatusRequest{Nearest: true})
		if err != nil {
			return nil, s.failure(ctx, err)
		}
		id := identity{clusterID: found.GetClusterId(), memberID: found.GetMemberId()}
		return &etcdserverpb.DowngradeResponse{
			Header: id.header(found.GetRevision(), found.GetRaftTerm()),
			// Without the patch level, as etcd shows it.
			Version: s.storageVersion[:max(strings.LastIndexByte(s.storageVersion, '.'), 0)],
		}, nil
	}
	return nil, errUnknownDowngradeAction
}
