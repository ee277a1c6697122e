package v3

import (
	"context"
	"encoding/base64"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// errNoHash has no code of its own in etcd.
var errNoHash = status.Error(codes.Unknown, "auth: authentication failed, password was given for no password user")

// UserAdd adds a user, with its password or with none. A hash that comes with the request is not looked at.
func (s *AuthServer) UserAdd(ctx context.Context, r *etcdserverpb.AuthUserAddRequest) (*etcdserverpb.AuthUserAddResponse, error) {
	op := &consensusv1.UserAddOp{Name: r.GetName(), NoPassword: r.GetOptions().GetNoPassword()}
	if !op.GetNoPassword() {
		op.Password = r.GetPassword()
	}
	r.Password = ""
	header, err := s.change(ctx, r, &consensusv1.AuthOp{Op: &consensusv1.AuthOp_UserAdd{UserAdd: op}})
	if err != nil {
		return nil, err
	}
	return &etcdserverpb.AuthUserAddResponse{Header: header}, nil
}

// UserGet tells the roles of a user.
func (s *AuthServer) UserGet(ctx context.Context, r *etcdserverpb.AuthUserGetRequest) (*etcdserverpb.AuthUserGetResponse, error) {
	found, header, err := s.read(ctx, &consensusv1.ReadAuthRequest{Read: &consensusv1.ReadAuthRequest_User{User: &consensusv1.UserRead{Name: r.GetName()}}})
	if err != nil {
		return nil, err
	}
	return &etcdserverpb.AuthUserGetResponse{Header: header, Roles: found.GetRoles()}, nil
}

// UserList lists the users.
func (s *AuthServer) UserList(ctx context.Context, _ *etcdserverpb.AuthUserListRequest) (*etcdserverpb.AuthUserListResponse, error) {
	found, header, err := s.read(ctx, &consensusv1.ReadAuthRequest{Read: &consensusv1.ReadAuthRequest_Users{Users: &consensusv1.UsersRead{}}})
	if err != nil {
		return nil, err
	}
	return &etcdserverpb.AuthUserListResponse{Header: header, Users: found.GetUsers()}, nil
}

// UserDelete deletes a user.
func (s *AuthServer) UserDelete(ctx context.Context, r *etcdserverpb.AuthUserDeleteRequest) (*etcdserverpb.AuthUserDeleteResponse, error) {
	op := &consensusv1.UserDeleteOp{Name: r.GetName()}
	header, err := s.change(ctx, r, &consensusv1.AuthOp{Op: &consensusv1.AuthOp_UserDelete{UserDelete: op}})
	if err != nil {
		return nil, err
	}
	return &etcdserverpb.AuthUserDeleteResponse{Header: header}, nil
}

// UserChangePassword changes a password. Without one the request may bring its hash, by bcrypt and in base64.
func (s *AuthServer) UserChangePassword(ctx context.Context, r *etcdserverpb.AuthUserChangePasswordRequest) (*etcdserverpb.AuthUserChangePasswordResponse, error) {
	op := &consensusv1.UserChangePasswordOp{Name: r.GetName(), Password: r.GetPassword()}
	r.Password = ""
	if op.GetPassword() == "" {
		hash, err := base64.StdEncoding.DecodeString(r.GetHashedPassword())
		if err != nil {
			return nil, errNoHash
		}
		op.PasswordHash = hash
	}
	header, err := s.change(ctx, r, &consensusv1.AuthOp{Op: &consensusv1.AuthOp_UserChangePassword{UserChangePassword: op}})
	if err != nil {
		return nil, err
	}
	return &etcdserverpb.AuthUserChangePasswordResponse{Header: header}, nil
}

// UserGrantRole gives a user a role.
func (s *AuthServer) UserGrantRole(ctx context.Context, r *etcdserverpb.AuthUserGrantRoleRequest) (*etcdserverpb.AuthUserGrantRoleResponse, error) {
	op := &consensusv1.UserGrantRoleOp{Name: r.GetUser(), Role: r.GetRole()}
	header, err := s.change(ctx, r, &consensusv1.AuthOp{Op: &consensusv1.AuthOp_UserGrantRole{UserGrantRole: op}})
	if err != nil {
		return nil, err
	}
	return &etcdserverpb.AuthUserGrantRoleResponse{Header: header}, nil
}

// UserRevokeRole takes a role from a user.
func (s *AuthServer) UserRevokeRole(ctx context.Context, r *etcdserverpb.AuthUserRevokeRoleRequest) (*etcdserverpb.AuthUserRevokeRoleResponse, error) {
	op := &consensusv1.UserRevokeRoleOp{Name: r.GetName(), Role: r.GetRole()}
	header, err := s.change(ctx, r, &consensusv1.AuthOp{Op: &consensusv1.AuthOp_UserRevokeRole{UserRevokeRole: op}})
	if err != nil {
		return nil, err
	}
	return &etcdserverpb.AuthUserRevokeRoleResponse{Header: header}, nil
}
