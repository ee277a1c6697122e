package v3_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/api/v3/authpb"
	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/api/internal/auth"
	v3 "github.com/quoratedb/quorate/services/api/internal/v3"
)

// authServer returns the Auth service over a fake store and fake users.
func authServer(t *testing.T, store *fakeConsensus, users *fakeAuth, change func(*v3.Config)) *v3.AuthServer {
	t.Helper()
	return newServices(t, store, func(c *v3.Config) {
		c.Auth = users
		if change != nil {
			change(c)
		}
	}).Auth
}

// A client that was given a name and a password goes on without them on this answer alone.
func TestAuthenticateSaysThatAuthIsOff(t *testing.T) {
	_, err := authServer(t, &fakeConsensus{}, &fakeAuth{}, nil).Authenticate(t.Context(), &etcdserverpb.AuthenticateRequest{Name: "root", Password: "secret"})
	require.Equal(t, codes.FailedPrecondition, status.Code(err))
	require.Equal(t, "etcdserver: authentication is not enabled", status.Convert(err).Message())
}

// signer signs with a word.
type signer struct{ err error }

func (s signer) Sign(name string, revision uint64) (string, error) {
	return name + " at " + string(rune('0'+revision)), s.err
}

// Goal: who logs in gets the store's token, or a signed one where tokens are signed here; the password is in no message that is left over.
// Method: log in with both kinds, and with a signer that only verifies.
func TestAuthenticate(t *testing.T) {
	var asked *consensusv1.AuthenticateRequest
	var wanted bool
	users := &fakeAuth{authenticate: func(r *consensusv1.AuthenticateRequest) (*consensusv1.AuthenticateResponse, error) {
		asked, wanted = r, r.GetToken()
		if r.GetPassword() != "secret" {
			return nil, errdefs.ErrAuthFailed
		}
		return &consensusv1.AuthenticateResponse{Token: "simple.1", AuthRevision: 7}, nil
	}}
	login := func(password string, signs v3.Signer) (*etcdserverpb.AuthenticateResponse, error) {
		r := &etcdserverpb.AuthenticateRequest{Name: "alice", Password: password}
		answer, err := authServer(t, &fakeConsensus{}, users, func(c *v3.Config) { c.Signer = signs }).Authenticate(t.Context(), r)
		require.Empty(t, r.GetPassword())
		require.Empty(t, asked.GetPassword())
		return answer, err
	}
	answer, err := login("secret", nil)
	require.NoError(t, err)
	require.True(t, wanted)
	equal(t, &etcdserverpb.AuthenticateResponse{Header: header(revision), Token: "simple.1"}, answer)

	answer, err = login("secret", signer{})
	require.NoError(t, err)
	require.False(t, wanted)
	require.Equal(t, "alice at 7", answer.GetToken())

	verifyOnly := errors.New("verify only")
	_, err = login("secret", signer{verifyOnly})
	require.Equal(t, verifyOnly, err)
	_, err = login("wrong", nil)
	require.Equal(t, "etcdserver: authentication failed, invalid user ID or password", status.Convert(err).Message())
}

// Goal: refused log-ins are logged with the user and without the password, and a stranger cannot fill the log with them. Method: many
// wrong passwords, and a name that is long.
func TestRefusedLogInsAreLogged(t *testing.T) {
	var log bytes.Buffer
	users := &fakeAuth{authenticate: func(*consensusv1.AuthenticateRequest) (*consensusv1.AuthenticateResponse, error) {
		return nil, errdefs.ErrAuthFailed
	}}
	s := authServer(t, &fakeConsensus{}, users, func(c *v3.Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
	for range 1000 {
		_, err := s.Authenticate(t.Context(), &etcdserverpb.AuthenticateRequest{Name: "alice" + strings.Repeat("x", 1000), Password: "hunter2"})
		require.Error(t, err)
	}
	require.Contains(t, log.String(), "user=alice")
	require.NotContains(t, log.String(), "hunter2")
	require.NotContains(t, log.String(), strings.Repeat("x", 300))
	require.Less(t, strings.Count(log.String(), "\n"), 100)
}

// Goal: each change of users and roles becomes its command, for the caller, and is answered at the revision it was made at. Method: make
// each of them and compare what was proposed.
func TestChangesOfUsersAndRoles(t *testing.T) {
	var proposed *consensusv1.ProposeRequest
	store := &fakeConsensus{
		proposes: func(r *consensusv1.ProposeRequest) { proposed = r },
		propose: func(context.Context, *consensusv1.Command) (*consensusv1.Result, error) {
			return &consensusv1.Result{Revision: 50, RaftTerm: raftTerm}, nil
		},
	}
	s := authServer(t, store, &fakeAuth{}, nil)
	caller := &consensusv1.Caller{Name: "root"}
	ctx := auth.With(t.Context(), &auth.Identity{Caller: caller})
	permission := &authpb.Permission{PermType: authpb.READWRITE, Key: []byte("a"), RangeEnd: []byte("b")}
	for _, c := range []struct {
		want *consensusv1.AuthOp
		make func() (interface {
			GetHeader() *etcdserverpb.ResponseHeader
		}, error)
	}{
		{&consensusv1.AuthOp{Op: &consensusv1.AuthOp_Enable{Enable: &consensusv1.AuthEnableOp{}}}, func() (headed, error) {
			return s.AuthEnable(ctx, &etcdserverpb.AuthEnableRequest{})
		}},
		{&consensusv1.AuthOp{Op: &consensusv1.AuthOp_Disable{Disable: &consensusv1.AuthDisableOp{}}}, func() (headed, error) {
			return s.AuthDisable(ctx, &etcdserverpb.AuthDisableRequest{})
		}},
		{&consensusv1.AuthOp{Op: &consensusv1.AuthOp_UserAdd{UserAdd: &consensusv1.UserAddOp{Name: "u", Password: "p"}}}, func() (headed, error) {
			return s.UserAdd(ctx, &etcdserverpb.AuthUserAddRequest{Name: "u", Password: "p", HashedPassword: "aGFzaA=="})
		}},
		{&consensusv1.AuthOp{Op: &consensusv1.AuthOp_UserAdd{UserAdd: &consensusv1.UserAddOp{Name: "u", NoPassword: true}}}, func() (headed, error) {
			return s.UserAdd(ctx, &etcdserverpb.AuthUserAddRequest{Name: "u", Password: "p", Options: &authpb.UserAddOptions{NoPassword: true}})
		}},
		{&consensusv1.AuthOp{Op: &consensusv1.AuthOp_UserDelete{UserDelete: &consensusv1.UserDeleteOp{Name: "u"}}}, func() (headed, error) {
			return s.UserDelete(ctx, &etcdserverpb.AuthUserDeleteRequest{Name: "u"})
		}},
		{&consensusv1.AuthOp{Op: &consensusv1.AuthOp_UserChangePassword{UserChangePassword: &consensusv1.UserChangePasswordOp{Name: "u", Password: "p"}}}, func() (headed, error) {
			return s.UserChangePassword(ctx, &etcdserverpb.AuthUserChangePasswordRequest{Name: "u", Password: "p", HashedPassword: "aGFzaA=="})
		}},
		{&consensusv1.AuthOp{Op: &consensusv1.AuthOp_UserChangePassword{UserChangePassword: &consensusv1.UserChangePasswordOp{Name: "u", PasswordHash: []byte("hash")}}}, func() (headed, error) {
			return s.UserChangePassword(ctx, &etcdserverpb.AuthUserChangePasswordRequest{Name: "u", HashedPassword: "aGFzaA=="})
		}},
		{&consensusv1.AuthOp{Op: &consensusv1.AuthOp_UserGrantRole{UserGrantRole: &consensusv1.UserGrantRoleOp{Name: "u", Role: "r"}}}, func() (headed, error) {
			return s.UserGrantRole(ctx, &etcdserverpb.AuthUserGrantRoleRequest{User: "u", Role: "r"})
		}},
		{&consensusv1.AuthOp{Op: &consensusv1.AuthOp_UserRevokeRole{UserRevokeRole: &consensusv1.UserRevokeRoleOp{Name: "u", Role: "r"}}}, func() (headed, error) {
			return s.UserRevokeRole(ctx, &etcdserverpb.AuthUserRevokeRoleRequest{Name: "u", Role: "r"})
		}},
		{&consensusv1.AuthOp{Op: &consensusv1.AuthOp_RoleAdd{RoleAdd: &consensusv1.RoleAddOp{Name: "r"}}}, func() (headed, error) {
			return s.RoleAdd(ctx, &etcdserverpb.AuthRoleAddRequest{Name: "r"})
		}},
		{&consensusv1.AuthOp{Op: &consensusv1.AuthOp_RoleDelete{RoleDelete: &consensusv1.RoleDeleteOp{Name: "r"}}}, func() (headed, error) {
			return s.RoleDelete(ctx, &etcdserverpb.AuthRoleDeleteRequest{Role: "r"})
		}},
		{&consensusv1.AuthOp{Op: &consensusv1.AuthOp_RoleGrantPermission{RoleGrantPermission: &consensusv1.RoleGrantPermissionOp{
			Name: "r", Permission: &consensusv1.Permission{Type: consensusv1.Permission_TYPE_READWRITE, Key: []byte("a"), RangeEnd: []byte("b")},
		}}}, func() (headed, error) {
			return s.RoleGrantPermission(ctx, &etcdserverpb.AuthRoleGrantPermissionRequest{Name: "r", Perm: permission})
		}},
		{&consensusv1.AuthOp{Op: &consensusv1.AuthOp_RoleGrantPermission{RoleGrantPermission: &consensusv1.RoleGrantPermissionOp{Name: "r"}}}, func() (headed, error) {
			return s.RoleGrantPermission(ctx, &etcdserverpb.AuthRoleGrantPermissionRequest{Name: "r"})
		}},
		{&consensusv1.AuthOp{Op: &consensusv1.AuthOp_RoleRevokePermission{RoleRevokePermission: &consensusv1.RoleRevokePermissionOp{
			Name: "r", Key: []byte("a"), RangeEnd: []byte("b"),
		}}}, func() (headed, error) {
			return s.RoleRevokePermission(ctx, &etcdserverpb.AuthRoleRevokePermissionRequest{Role: "r", Key: []byte("a"), RangeEnd: []byte("b")})
		}},
	} {
		answer, err := c.make()
		require.NoError(t, err)
		equal(t, &consensusv1.ProposeRequest{Command: &consensusv1.Command{Command: &consensusv1.Command_Auth{Auth: c.want}}, Caller: caller}, proposed)
		equal(t, header(50), answer.GetHeader())
	}
}

type headed = interface {
	GetHeader() *etcdserverpb.ResponseHeader
}

// Goal: a hash that is none and a request that is too large are refused as in etcd, before anything is
// proposed. Method: make such requests; the fake store panics on a proposal.
func TestChangesOfUsersRefused(t *testing.T) {
	s := authServer(t, &fakeConsensus{}, &fakeAuth{}, func(c *v3.Config) { c.MaxRequestBytes = 1000 })
	_, err := s.UserChangePassword(t.Context(), &etcdserverpb.AuthUserChangePasswordRequest{Name: "u", HashedPassword: "?"})
	require.Equal(t, "rpc error: code = Unknown desc = auth: authentication failed, password was given for no password user", err.Error())
	_, err = s.RoleAdd(t.Context(), &etcdserverpb.AuthRoleAddRequest{Name: strings.Repeat("x", 1001)})
	require.Equal(t, "etcdserver: request is too large", status.Convert(err).Message())
}

// Goal: users and roles are shown as in etcd, for the caller, with the permission that the role of root always has. Method: read each.
func TestUsersAndRolesRead(t *testing.T) {
	caller := &consensusv1.Caller{Name: "alice"}
	var asked *consensusv1.ReadAuthRequest
	found := &consensusv1.ReadAuthResponse{
		Enabled: true, AuthRevision: 9, Roles: []string{"a", "b"}, Users: []string{"u", "v"},
		Permissions: []*consensusv1.Permission{{Type: consensusv1.Permission_TYPE_WRITE, Key: []byte("k"), RangeEnd: []byte("l")}},
		Revision:    50, RaftTerm: raftTerm,
	}
	s := authServer(t, &fakeConsensus{}, &fakeAuth{readAuth: func(r *consensusv1.ReadAuthRequest) (*consensusv1.ReadAuthResponse, error) {
		asked = r
		return found, nil
	}}, nil)
	ctx := auth.With(t.Context(), &auth.Identity{Caller: caller})

	state, err := s.AuthStatus(ctx, &etcdserverpb.AuthStatusRequest{})
	require.NoError(t, err)
	equal(t, &etcdserverpb.AuthStatusResponse{Header: header(50), Enabled: true, AuthRevision: 9}, state)
	require.NotNil(t, asked.GetStatus())
	require.Same(t, caller, asked.GetCaller())

	user, err := s.UserGet(ctx, &etcdserverpb.AuthUserGetRequest{Name: "u"})
	require.NoError(t, err)
	equal(t, &etcdserverpb.AuthUserGetResponse{Header: header(50), Roles: []string{"a", "b"}}, user)
	require.Equal(t, "u", asked.GetUser().GetName())

	users, err := s.UserList(ctx, &etcdserverpb.AuthUserListRequest{})
	require.NoError(t, err)
	equal(t, &etcdserverpb.AuthUserListResponse{Header: header(50), Users: []string{"u", "v"}}, users)
	require.NotNil(t, asked.GetUsers())

	role, err := s.RoleGet(ctx, &etcdserverpb.AuthRoleGetRequest{Role: "a"})
	require.NoError(t, err)
	equal(t, &etcdserverpb.AuthRoleGetResponse{Header: header(50), Perm: []*authpb.Permission{{PermType: authpb.WRITE, Key: []byte("k"), RangeEnd: []byte("l")}}}, role)
	require.Equal(t, "a", asked.GetRole().GetName())

	role, err = s.RoleGet(ctx, &etcdserverpb.AuthRoleGetRequest{Role: "root"})
	require.NoError(t, err)
	equal(t, &etcdserverpb.AuthRoleGetResponse{Header: header(50), Perm: []*authpb.Permission{{PermType: authpb.READWRITE, RangeEnd: []byte{0}}}}, role)

	roles, err := s.RoleList(ctx, &etcdserverpb.AuthRoleListRequest{})
	require.NoError(t, err)
	equal(t, &etcdserverpb.AuthRoleListResponse{Header: header(50), Roles: []string{"a", "b"}}, roles)
	require.NotNil(t, asked.GetRoles())
}
