package console

import (
	"context"
	"slices"

	"go.etcd.io/etcd/api/v3/authpb"
	"go.etcd.io/etcd/api/v3/etcdserverpb"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	consolev1 "github.com/quoratedb/quorate/pkg/gen/quorate/console/v1"
)

const (
	// rolesMax bounds the roles whose permissions are told.
	rolesMax = 100
	// rootRole may do everything.
	rootRole = "root"
)

// Rights tells what a user may do.
func (c *Console) Rights(ctx context.Context, r *consolev1.RightsRequest) (*consolev1.RightsResponse, error) {
	standing, err := c.auth.AuthStatus(ctx, &etcdserverpb.AuthStatusRequest{})
	if err != nil {
		return nil, err
	}
	who := c.cfg.Users.Who(ctx)
	user, other := who.Name, ""
	if r.GetUser() != "" && r.GetUser() != who.Name {
		user, other = r.GetUser(), r.GetUser()
	}
	answer := &consolev1.RightsResponse{AuthEnabled: standing.GetEnabled(), User: user, MayRead: true, MayWrite: true}
	if !answer.AuthEnabled {
		answer.Root = true
		return answer, nil
	}
	// Of oneself one needs to be somebody, of others root.
	allowed, err := c.cfg.Users.May(ctx, "", &consensusv1.AuthorizeRequest{Root: other != ""})
	if err != nil {
		return nil, err
	}
	if !allowed {
		return nil, errDenied
	}
	if answer.Roles, err = c.rolesOf(ctx, who, user); err != nil {
		return nil, err
	}
	answer.Root = slices.Contains(answer.Roles, rootRole)
	if answer.Permissions, err = c.permissions(ctx, answer.Roles); err != nil {
		return nil, err
	}
	if len(r.GetKey()) == 0 {
		answer.MayRead, answer.MayWrite = false, false
		return answer, nil
	}
	for _, question := range []struct {
		kind consensusv1.Permission_Type
		may  *bool
	}{{consensusv1.Permission_TYPE_READ, &answer.MayRead}, {consensusv1.Permission_TYPE_WRITE, &answer.MayWrite}} {
		*question.may, err = c.cfg.Users.May(ctx, other, &consensusv1.AuthorizeRequest{Accesses: []*consensusv1.Access{{
			Type: question.kind, Key: r.GetKey(), RangeEnd: r.GetRangeEnd(),
		}}})
		if err != nil {
			return nil, err
		}
	}
	return answer, nil
}

// rolesOf returns a user's roles. Those that a token brought are the caller's alone.
func (c *Console) rolesOf(ctx context.Context, who Who, user string) ([]string, error) {
	found, err := c.auth.UserGet(ctx, &etcdserverpb.AuthUserGetRequest{Name: user})
	if err != nil && user == who.Name && len(who.Roles) > 0 {
		return who.Roles, nil
	}
	return found.GetRoles(), err
}

func (c *Console) permissions(ctx context.Context, roles []string) ([]*consolev1.RolePermission, error) {
	var found []*consolev1.RolePermission
	for _, role := range roles[:min(len(roles), rolesMax)] {
		if role == rootRole {
			continue // it has none that are written down
		}
		answer, err := c.auth.RoleGet(ctx, &etcdserverpb.AuthRoleGetRequest{Role: role})
		if err != nil {
			return nil, err
		}
		for _, p := range answer.GetPerm() {
			found = append(found, &consolev1.RolePermission{
				Role: role, Read: p.GetPermType() != authpb.Permission_WRITE, Write: p.GetPermType() != authpb.Permission_READ,
				Key: p.GetKey(), RangeEnd: p.GetRangeEnd(),
			})
		}
	}
	return found, nil
}
