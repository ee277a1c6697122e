package console

import (
	"context"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	consolev1 "github.com/quoratedb/quorate/pkg/gen/quorate/console/v1"
)

// About tells what this is and who asks.
func (c *Console) About(ctx context.Context, _ *consolev1.AboutRequest) (*consolev1.AboutResponse, error) {
	who := c.cfg.Users.Who(ctx)
	standing, err := c.auth.AuthStatus(ctx, &etcdserverpb.AuthStatusRequest{})
	switch {
	case status.Code(err) == codes.Unauthenticated: // a token that has ended: whoever has it is to log in again
		standing = &etcdserverpb.AuthStatusResponse{Enabled: true}
	case err != nil:
		return nil, err
	}
	answer := &consolev1.AboutResponse{
		Version: c.cfg.Version, EtcdVersion: c.cfg.EtcdVersion, AuthEnabled: standing.GetEnabled(),
		User: who.Name, Proof: who.Proof, Roles: who.Roles,
	}
	if answer.AuthEnabled && who.Name == "" {
		return answer, nil
	}
	if answer.Root, err = c.cfg.Users.May(ctx, "", &consensusv1.AuthorizeRequest{Root: true}); err != nil {
		return nil, err
	}
	own, err := c.maintenance.Status(ctx, &etcdserverpb.StatusRequest{})
	if err != nil {
		return nil, err
	}
	header := own.GetHeader()
	answer.ClusterId, answer.MemberId, answer.Revision = header.GetClusterId(), header.GetMemberId(), header.GetRevision()
	answer.AuditLog = c.cfg.AuditTail != nil
	return answer, nil
}

// Series returns what this process has measured of itself.
func (c *Console) Series(_ context.Context, r *consolev1.SeriesRequest) (*consolev1.SeriesResponse, error) {
	found, _ := c.ring.Since(r.GetAfterUnixMilli(), r.GetNames())
	return found, nil
}
