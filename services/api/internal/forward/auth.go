package forward

import (
	"context"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
)

// Auth is etcd's Auth service. Permissions name keys as the cluster has them, with their namespace.
type Auth struct {
	etcdserverpb.UnsafeAuthServer
	Cluster Cluster
	// Tokens take note of those that are given out.
	Tokens *Tokens
}

// AuthEnable enables authentication.
func (s *Auth) AuthEnable(ctx context.Context, r *etcdserverpb.AuthEnableRequest) (*etcdserverpb.AuthEnableResponse, error) {
	return call[etcdserverpb.AuthEnableResponse](ctx, s.Cluster, etcdserverpb.Auth_AuthEnable_FullMethodName, r)
}

// AuthDisable disables it.
func (s *Auth) AuthDisable(ctx context.Context, r *etcdserverpb.AuthDisableRequest) (*etcdserverpb.AuthDisableResponse, error) {
	return call[etcdserverpb.AuthDisableResponse](ctx, s.Cluster, etcdserverpb.Auth_AuthDisable_FullMethodName, r)
}

// AuthStatus tells whether it is enabled.
func (s *Auth) AuthStatus(ctx context.Context, r *etcdserverpb.AuthStatusRequest) (*etcdserverpb.AuthStatusResponse, error) {
	return call[etcdserverpb.AuthStatusResponse](ctx, s.Cluster, etcdserverpb.Auth_AuthStatus_FullMethodName, r)
}

// Authenticate logs a user in, at the cluster: the token is the cluster's, and goes with the client's requests.
func (s *Auth) Authenticate(ctx context.Context, r *etcdserverpb.AuthenticateRequest) (*etcdserverpb.AuthenticateResponse, error) {
	answer, err := call[etcdserverpb.AuthenticateResponse](ctx, s.Cluster, etcdserverpb.Auth_Authenticate_FullMethodName, r)
	s.Tokens.gave(answer.GetToken(), r.GetName())
	return answer, err
}

// UserAdd adds a user.
func (s *Auth) UserAdd(ctx context.Context, r *etcdserverpb.AuthUserAddRequest) (*etcdserverpb.AuthUserAddResponse, error) {
	return call[etcdserverpb.AuthUserAddResponse](ctx, s.Cluster, etcdserverpb.Auth_UserAdd_FullMethodName, r)
}

// UserGet tells a user's roles.
func (s *Auth) UserGet(ctx context.Context, r *etcdserverpb.AuthUserGetRequest) (*etcdserverpb.AuthUserGetResponse, error) {
	return call[etcdserverpb.AuthUserGetResponse](ctx, s.Cluster, etcdserverpb.Auth_UserGet_FullMethodName, r)
}

// UserList lists the users.
func (s *Auth) UserList(ctx context.Context, r *etcdserverpb.AuthUserListRequest) (*etcdserverpb.AuthUserListResponse, error) {
	return call[etcdserverpb.AuthUserListResponse](ctx, s.Cluster, etcdserverpb.Auth_UserList_FullMethodName, r)
}

// UserDelete deletes a user.
func (s *Auth) UserDelete(ctx context.Context, r *etcdserverpb.AuthUserDeleteRequest) (*etcdserverpb.AuthUserDeleteResponse, error) {
	return call[etcdserverpb.AuthUserDeleteResponse](ctx, s.Cluster, etcdserverpb.Auth_UserDelete_FullMethodName, r)
}

// UserChangePassword gives a user another password.
func (s *Auth) UserChangePassword(ctx context.Context, r *etcdserverpb.AuthUserChangePasswordRequest) (*etcdserverpb.AuthUserChangePasswordResponse, error) {
	return call[etcdserverpb.AuthUserChangePasswordResponse](ctx, s.Cluster, etcdserverpb.Auth_UserChangePassword_FullMethodName, r)
}

// UserGrantRole gives a user a role.
func (s *Auth) UserGrantRole(ctx context.Context, r *etcdserverpb.AuthUserGrantRoleRequest) (*etcdserverpb.AuthUserGrantRoleResponse, error) {
	return call[etcdserverpb.AuthUserGrantRoleResponse](ctx, s.Cluster, etcdserverpb.Auth_UserGrantRole_FullMethodName, r)
}

// UserRevokeRole takes a role from a user.
func (s *Auth) UserRevokeRole(ctx context.Context, r *etcdserverpb.AuthUserRevokeRoleRequest) (*etcdserverpb.AuthUserRevokeRoleResponse, error) {
	return call[etcdserverpb.AuthUserRevokeRoleResponse](ctx, s.Cluster, etcdserverpb.Auth_UserRevokeRole_FullMethodName, r)
}

// RoleAdd adds a role.
func (s *Auth) RoleAdd(ctx context.Context, r *etcdserverpb.AuthRoleAddRequest) (*etcdserverpb.AuthRoleAddResponse, error) {
	return call[etcdserverpb.AuthRoleAddResponse](ctx, s.Cluster, etcdserverpb.Auth_RoleAdd_FullMethodName, r)
}

// RoleGet tells a role's permissions.
func (s *Auth) RoleGet(ctx context.Context, r *etcdserverpb.AuthRoleGetRequest) (*etcdserverpb.AuthRoleGetResponse, error) {
	return call[etcdserverpb.AuthRoleGetResponse](ctx, s.Cluster, etcdserverpb.Auth_RoleGet_FullMethodName, r)
}

// RoleList lists the roles.
func (s *Auth) RoleList(ctx context.Context, r *etcdserverpb.AuthRoleListRequest) (*etcdserverpb.AuthRoleListResponse, error) {
	return call[etcdserverpb.AuthRoleListResponse](ctx, s.Cluster, etcdserverpb.Auth_RoleList_FullMethodName, r)
}

// RoleDelete deletes a role.
func (s *Auth) RoleDelete(ctx context.Context, r *etcdserverpb.AuthRoleDeleteRequest) (*etcdserverpb.AuthRoleDeleteResponse, error) {
	return call[etcdserverpb.AuthRoleDeleteResponse](ctx, s.Cluster, etcdserverpb.Auth_RoleDelete_FullMethodName, r)
}

// RoleGrantPermission gives a role a permission.
func (s *Auth) RoleGrantPermission(ctx context.Context, r *etcdserverpb.AuthRoleGrantPermissionRequest) (*etcdserverpb.AuthRoleGrantPermissionResponse, error) {
	return call[etcdserverpb.AuthRoleGrantPermissionResponse](ctx, s.Cluster, etcdserverpb.Auth_RoleGrantPermission_FullMethodName, r)
}

// RoleRevokePermission takes one from it.
func (s *Auth) RoleRevokePermission(ctx context.Context, r *etcdserverpb.AuthRoleRevokePermissionRequest) (*etcdserverpb.AuthRoleRevokePermissionResponse, error) {
	return call[etcdserverpb.AuthRoleRevokePermissionResponse](ctx, s.Cluster, etcdserverpb.Auth_RoleRevokePermission_FullMethodName, r)
}
