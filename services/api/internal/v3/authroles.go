package v3

import (
	"context"

	"go.etcd.io/etcd/api/v3/authpb"
	"go.etcd.io/etcd/api/v3/etcdserverpb"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// rootRole may do everything, whatever permissions it was granted.
const rootRole = "root"

// RoleAdd adds a role without permissions.
func (s *AuthServer) RoleAdd(ctx context.Context, r *etcdserverpb.AuthRoleAddRequest) (*etcdserverpb.AuthRoleAddResponse, error) {
	op := &consensusv1.RoleAddOp{Name: r.GetName()}
	header, err := s.change(ctx, r, &consensusv1.AuthOp{Op: &consensusv1.AuthOp_RoleAdd{RoleAdd: op}})
	if err != nil {
		return nil, err
	}
	return &etcdserverpb.AuthRoleAddResponse{Header: header}, nil
}

// RoleGet tells the permissions of a role.
func (s *AuthServer) RoleGet(ctx context.Context, r *etcdserverpb.AuthRoleGetRequest) (*etcdserverpb.AuthRoleGetResponse, error) {
	found, header, err := s.read(ctx, &consensusv1.ReadAuthRequest{Read: &consensusv1.ReadAuthRequest_Role{Role: &consensusv1.RoleRead{Name: r.GetRole()}}})
	if err != nil {
		return nil, err
	}
	answer := &etcdserverpb.AuthRoleGetResponse{Header: header}
	if r.GetRole() == rootRole {
		answer.Perm = []*authpb.Permission{{PermType: authpb.READWRITE, Key: []byte{}, RangeEnd: []byte{0}}}
		return answer, nil
	}
	for _, permission := range found.GetPermissions() {
		answer.Perm = append(answer.Perm, &authpb.Permission{
			PermType: authpb.Permission_Type(permission.GetType()), Key: permission.GetKey(), RangeEnd: permission.GetRangeEnd(),
		})
	}
	return answer, nil
}

// RoleList lists the roles.
func (s *AuthServer) RoleList(ctx context.Context, _ *etcdserverpb.AuthRoleListRequest) (*etcdserverpb.AuthRoleListResponse, error) {
	found, header, err := s.read(ctx, &consensusv1.ReadAuthRequest{Read: &consensusv1.ReadAuthRequest_Roles{Roles: &consensusv1.RolesRead{}}})
	if err != nil {
		return nil, err
	}
	return &etcdserverpb.AuthRoleListResponse{Header: header, Roles: found.GetRoles()}, nil
}

// RoleDelete deletes a role and takes it from its users.
func (s *AuthServer) RoleDelete(ctx context.Context, r *etcdserverpb.AuthRoleDeleteRequest) (*etcdserverpb.AuthRoleDeleteResponse, error) {
	op := &consensusv1.RoleDeleteOp{Name: r.GetRole()}
	header, err := s.change(ctx, r, &consensusv1.AuthOp{Op: &consensusv1.AuthOp_RoleDelete{RoleDelete: op}})
	if err != nil {
		return nil, err
	}
	return &etcdserverpb.AuthRoleDeleteResponse{Header: header}, nil
}

// RoleGrantPermission allows a role to read or write a range.
func (s *AuthServer) RoleGrantPermission(ctx context.Context, r *etcdserverpb.AuthRoleGrantPermissionRequest) (*etcdserverpb.AuthRoleGrantPermissionResponse, error) {
	op := &consensusv1.RoleGrantPermissionOp{Name: r.GetName()}
	if given := r.GetPerm(); given != nil {
		op.Permission = &consensusv1.Permission{
			Type: consensusv1.Permission_Type(given.GetPermType()), Key: given.GetKey(), RangeEnd: given.GetRangeEnd(),
		}
	}
	header, err := s.change(ctx, r, &consensusv1.AuthOp{Op: &consensusv1.AuthOp_RoleGrantPermission{RoleGrantPermission: op}})
	if err != nil {
		return nil, err
	}
	return &etcdserverpb.AuthRoleGrantPermissionResponse{Header: header}, nil
}

// RoleRevokePermission takes the permission of one range from a role.
func (s *AuthServer) RoleRevokePermission(ctx context.Context, r *etcdserverpb.AuthRoleRevokePermissionRequest) (*etcdserverpb.AuthRoleRevokePermissionResponse, error) {
	op := &consensusv1.RoleRevokePermissionOp{Name: r.GetRole(), Key: r.GetKey(), RangeEnd: r.GetRangeEnd()}
	header, err := s.change(ctx, r, &consensusv1.AuthOp{Op: &consensusv1.AuthOp_RoleRevokePermission{RoleRevokePermission: op}})
	if err != nil {
		return nil, err
	}
	return &etcdserverpb.AuthRoleRevokePermissionResponse{Header: header}, nil
}
