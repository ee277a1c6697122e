package consensus

import (
	"context"
	"errors"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

func authOp(op *consensusv1.AuthOp) *consensusv1.Command {
	return &consensusv1.Command{Command: &consensusv1.Command_Auth{Auth: op}}
}

func userAdd(name, password string) *consensusv1.Command {
	return authOp(&consensusv1.AuthOp{Op: &consensusv1.AuthOp_UserAdd{UserAdd: &consensusv1.UserAddOp{Name: name, Password: password}}})
}

func roleAdd(name string) *consensusv1.Command {
	return authOp(&consensusv1.AuthOp{Op: &consensusv1.AuthOp_RoleAdd{RoleAdd: &consensusv1.RoleAddOp{Name: name}}})
}

func roleGrant(name, role string) *consensusv1.Command {
	return authOp(&consensusv1.AuthOp{Op: &consensusv1.AuthOp_UserGrantRole{UserGrantRole: &consensusv1.UserGrantRoleOp{Name: name, Role: role}}})
}

func permissionGrant(role string, kind consensusv1.Permission_Type, key, end string) *consensusv1.Command {
	return authOp(&consensusv1.AuthOp{Op: &consensusv1.AuthOp_RoleGrantPermission{RoleGrantPermission: &consensusv1.RoleGrantPermissionOp{
		Name: role, Permission: &consensusv1.Permission{Type: kind, Key: []byte(key), RangeEnd: []byte(end)},
	}}})
}

func permissionRevoke(role, key, end string) *consensusv1.Command {
	return authOp(&consensusv1.AuthOp{Op: &consensusv1.AuthOp_RoleRevokePermission{RoleRevokePermission: &consensusv1.RoleRevokePermissionOp{
		Name: role, Key: []byte(key), RangeEnd: []byte(end),
	}}})
}

func passwordChange(name, password string) *consensusv1.Command {
	return authOp(&consensusv1.AuthOp{Op: &consensusv1.AuthOp_UserChangePassword{UserChangePassword: &consensusv1.UserChangePasswordOp{Name: name, Password: password}}})
}

func authEnable() *consensusv1.Command {
	return authOp(&consensusv1.AuthOp{Op: &consensusv1.AuthOp_Enable{Enable: &consensusv1.AuthEnableOp{}}})
}

// as proposes a command for a caller.
func (r *running) as(ctx context.Context, caller *consensusv1.Caller, command *consensusv1.Command) error {
	_, err := r.propose(ctx, &consensusv1.ProposeRequest{Command: command, Caller: caller})
	return err
}

func (r *running) readAs(ctx context.Context, caller *consensusv1.Caller, serializable bool, key, end string) error {
	_, err := r.Range(ctx, &consensusv1.RangeRequest{
		Range: &consensusv1.RangeOp{Key: []byte(key), RangeEnd: []byte(end)}, Serializable: serializable, Caller: caller,
	})
	return err
}

// lock enables authentication, with users root and ann, who may write "a" to "c" and read "a" to "b".
func lock(t *testing.T, r *running) {
	t.Helper()
	for _, command := range []*consensusv1.Command{
		userAdd("root", "secret"), roleGrant("root", "root"), userAdd("ann", "hers"), roleAdd("ann"), roleGrant("ann", "ann"),
		permissionGrant("ann", consensusv1.Permission_TYPE_WRITE, "a", "c"), permissionGrant("ann", consensusv1.Permission_TYPE_READ, "a", "b"),
		authEnable(),
	} {
		require.NoError(t, r.as(t.Context(), nil, command))
	}
}

var (
	root = &consensusv1.Caller{Name: "root"}
	ann  = &consensusv1.Caller{Name: "ann"}
)

func quick(cfg *Config) { cfg.BcryptCost = 4 }

// Goal: what a caller may is enforced by every member, for writes where they are applied and for reads, and survives a restart; a change
// that one member has acknowledged counts on all at once. Method: three members, one locks, the others are asked; then all start anew.
func TestRightsCountOnEveryMember(t *testing.T) {
	_, members := clusterWith(t, 3, quick, nil)
	lock(t, members[0])
	ctx := t.Context()
	for _, m := range members {
		require.ErrorIs(t, m.as(ctx, nil, put("a", "1")), errdefs.ErrUserEmpty)
		require.NoError(t, m.as(ctx, ann, put("a", "1")))
		require.ErrorIs(t, m.as(ctx, ann, put("c", "1")), errdefs.ErrPermissionDenied)
		require.NoError(t, m.as(ctx, root, put("c", "1")))
		require.NoError(t, m.readAs(ctx, ann, false, "a", "b"))
		require.ErrorIs(t, m.readAs(ctx, ann, false, "a", "c"), errdefs.ErrPermissionDenied)
		require.ErrorIs(t, m.readAs(ctx, ann, true, "a", "\x00"), errdefs.ErrPermissionDenied)
		require.ErrorIs(t, m.readAs(ctx, nil, true, "a", ""), errdefs.ErrUserEmpty)
	}
	require.NoError(t, members[1].as(ctx, root, permissionGrant("ann", consensusv1.Permission_TYPE_READ, "x", "")))
	for _, m := range members {
		require.NoError(t, m.readAs(ctx, ann, true, "x", ""), "also where it was not applied yet")
	}
	require.NoError(t, members[2].as(ctx, root, permissionRevoke("ann", "x", "")))
	for _, m := range members {
		require.ErrorIs(t, m.readAs(ctx, ann, false, "x", ""), errdefs.ErrPermissionDenied)
	}
}

// Goal: users, roles and tokens survive a crash, and so does the history of who may not. Method: one member that starts again on its
// data.
func TestUsersSurviveARestart(t *testing.T) {
	fs := vfs.NewMem()
	cfg := testConfig(fs)
	quick(&cfg)
	m := start(t, cfg)
	lock(t, m)
	login, err := m.Auth.Authenticate(t.Context(), &consensusv1.AuthenticateRequest{Name: "ann", Password: "hers", Token: true})
	require.NoError(t, err)
	require.NoError(t, m.halt())

	m = start(t, cfg)
	token := &consensusv1.Caller{Token: login.GetToken()}
	require.NoError(t, m.as(t.Context(), token, put("a", "1")))
	require.ErrorIs(t, m.as(t.Context(), token, put("c", "1")), errdefs.ErrPermissionDenied)
	require.ErrorIs(t, m.as(t.Context(), nil, put("a", "1")), errdefs.ErrUserEmpty)
	require.NoError(t, m.as(t.Context(), root, passwordChange("ann", "other")))
	require.ErrorIs(t, m.as(t.Context(), token, put("a", "1")), errdefs.ErrInvalidAuthToken)
	_, err = m.Auth.Authenticate(t.Context(), &consensusv1.AuthenticateRequest{Name: "ann", Password: "hers"})
	require.ErrorIs(t, err, errdefs.ErrAuthFailed)
}

// Goal: a token that one member has made counts on the others at once, and is kept alive by use. Method: log in at one, use it at the
// others; a life of a token that is a fraction of a second, and use for longer.
func TestTokensCountOnEveryMember(t *testing.T) {
	_, members := clusterWith(t, 3, func(cfg *Config) {
		quick(cfg)
		cfg.TokenTTL = 2 * time.Second
	}, nil)
	_, err := members[0].Auth.Authenticate(t.Context(), &consensusv1.AuthenticateRequest{Name: "ann", Password: "hers", Token: true})
	require.ErrorIs(t, err, errdefs.ErrAuthNotEnabled)
	lock(t, members[0])
	login, err := members[1].Auth.Authenticate(t.Context(), &consensusv1.AuthenticateRequest{Name: "ann", Password: "hers", Token: true})
	require.NoError(t, err)
	token := &consensusv1.Caller{Token: login.GetToken()}
	for began := time.Now(); time.Since(began) < 5*time.Second; {
		for _, m := range members {
			require.NoError(t, m.as(t.Context(), token, put("a", "1")))
		}
	}
	require.Eventually(t, func() bool { // nobody uses it meanwhile
		state, err := members[0].callers.state()
		require.NoError(t, err)
		_, err = members[0].callers.tokens.Verify(state, login.GetToken())
		return errors.Is(err, errdefs.ErrInvalidAuthToken)
	}, 10*time.Second, 3*time.Second)
}

// Goal: who follows how authentication stands is told of each change, and who asks hears at once. Method: follow, and change.
func TestFollowersOfAuthAreTold(t *testing.T) {
	cfg := testConfig(vfs.NewMem())
	quick(&cfg)
	m := start(t, cfg)
	told := make(chan *consensusv1.FollowAuthResponse, 100)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- m.Auth.FollowAuth(ctx, nil, func(r *consensusv1.FollowAuthResponse) error { told <- r; return nil })
	}()
	first := <-told
	require.False(t, first.GetEnabled())
	require.EqualValues(t, 1, first.GetAuthRevision())
	lock(t, m)
	for r := range told {
		if r.GetEnabled() {
			require.EqualValues(t, 8, r.GetAuthRevision())
			break
		}
	}
	require.NoError(t, m.as(t.Context(), root, roleAdd("more")))
	enabled, revision := m.Auth.AuthStands() // at once, whoever is told when
	require.True(t, enabled)
	require.EqualValues(t, 9, revision)
	require.EqualValues(t, 9, (<-told).GetAuthRevision())
	cancel()
	require.ErrorIs(t, <-ended, context.Canceled)
}

// Goal: an API node is told what it asks for: root, any user, ranges, leases. Method: each by ann, by root and by nobody.
func TestAuthorize(t *testing.T) {
	cfg := testConfig(vfs.NewMem())
	quick(&cfg)
	m := start(t, cfg)
	lock(t, m)
	grant := func(id int64) *consensusv1.Command {
		return &consensusv1.Command{Command: &consensusv1.Command_LeaseGrant{LeaseGrant: &consensusv1.LeaseGrantOp{Id: id, Ttl: 1000}}}
	}
	attach := func(key string, id int64) *consensusv1.Command {
		return &consensusv1.Command{Command: &consensusv1.Command_Put{Put: &consensusv1.PutOp{Key: []byte(key), Lease: id}}}
	}
	for _, command := range []*consensusv1.Command{grant(1), grant(2), attach("a", 1), attach("b", 1), attach("a1", 2), attach("x", 2)} {
		require.NoError(t, m.as(t.Context(), root, command))
	}
	may := func(caller *consensusv1.Caller, req *consensusv1.AuthorizeRequest) error {
		req.Caller = caller
		_, err := m.Auth.Authorize(t.Context(), req)
		return err
	}
	lease := func(id int64, kind consensusv1.Permission_Type) *consensusv1.AuthorizeRequest {
		return &consensusv1.AuthorizeRequest{Lease: id, LeaseAccess: kind}
	}
	write, read := consensusv1.Permission_TYPE_WRITE, consensusv1.Permission_TYPE_READ
	require.NoError(t, may(ann, &consensusv1.AuthorizeRequest{}))
	require.ErrorIs(t, may(nil, &consensusv1.AuthorizeRequest{}), errdefs.ErrUserEmpty)
	require.ErrorIs(t, may(ann, &consensusv1.AuthorizeRequest{Root: true}), errdefs.ErrPermissionDenied)
	require.NoError(t, may(root, &consensusv1.AuthorizeRequest{Root: true}))
	require.NoError(t, may(ann, &consensusv1.AuthorizeRequest{Accesses: []*consensusv1.Access{{Key: []byte("a")}, {Key: []byte("b"), Type: write}}}))
	require.ErrorIs(t, may(ann, &consensusv1.AuthorizeRequest{Accesses: []*consensusv1.Access{{RangeEnd: []byte{0}}}}), errdefs.ErrPermissionDenied)
	require.NoError(t, may(ann, lease(1, write)))
	require.ErrorIs(t, may(ann, lease(1, read)), errdefs.ErrPermissionDenied, "b is not hers to read")
	require.ErrorIs(t, may(ann, lease(2, write)), errdefs.ErrPermissionDenied)
	require.NoError(t, may(ann, lease(3, write)), "there is no such lease")
	require.NoError(t, may(root, lease(2, write)))
	require.ErrorIs(t, may(ann, &consensusv1.AuthorizeRequest{AllLeases: true}), errdefs.ErrPermissionDenied)
	require.NoError(t, may(root, &consensusv1.AuthorizeRequest{AllLeases: true}))
	require.ErrorIs(t, m.as(t.Context(), ann, attach("a", 2)), errdefs.ErrPermissionDenied, "its other key is not hers")
	require.NoError(t, m.as(t.Context(), ann, attach("a", 1)))
}

// Goal: who asks whether a right was there all along hears of each state since, on every member, however late they ask; what nobody knows any more is
// an old revision. Method: a right goes and comes back, another one's does; then the member starts anew.
func TestAuthorizeSince(t *testing.T) {
	cfg := testConfig(vfs.NewMem())
	quick(&cfg)
	m := start(t, cfg)
	lock(t, m)
	may := func(since *consensusv1.AuthPosition, key string) (*consensusv1.AuthPosition, error) {
		answer, err := m.Auth.Authorize(t.Context(), &consensusv1.AuthorizeRequest{Caller: ann, Since: since, Accesses: []*consensusv1.Access{{Key: []byte(key)}}})
		return &consensusv1.AuthPosition{Enabled: answer.GetEnabled(), AuthRevision: answer.GetAuthRevision()}, err
	}
	read := consensusv1.Permission_TYPE_READ
	require.NoError(t, m.as(t.Context(), root, permissionGrant("ann", read, "x", "")))
	opened, err := may(nil, "x")
	require.NoError(t, err)
	require.NoError(t, m.as(t.Context(), root, permissionRevoke("ann", "x", "")))
	require.NoError(t, m.as(t.Context(), root, permissionGrant("ann", read, "x", "")))
	_, err = may(opened, "x")
	require.ErrorIs(t, err, errdefs.ErrPermissionDenied)
	_, err = may(opened, "a")
	require.NoError(t, err, "that one stayed")
	again, err := may(nil, "x")
	require.NoError(t, err)
	_, err = may(again, "x")
	require.NoError(t, err)
	ahead := &consensusv1.AuthPosition{Enabled: true, AuthRevision: again.GetAuthRevision() + 1}
	_, err = may(ahead, "x")
	require.NoError(t, err, "it is for whoever asks to see that this member is behind")
	require.NoError(t, m.halt())
	m = start(t, cfg)
	_, err = may(opened, "a")
	require.ErrorIs(t, err, errdefs.ErrAuthOldRevision)
	_, err = may(again, "x")
	require.NoError(t, err)
}

// Goal: any user may compact, since Kubernetes' API servers do as a user of their own, and nobody in particular may not; CompactRoot leaves
// it to root. Method: a user who has /registry/ alone, nobody, and root, both ways.
func TestUsersMayCompact(t *testing.T) {
	for _, rootOnly := range []bool{false, true} {
		cfg := testConfig(vfs.NewMem())
		quick(&cfg)
		cfg.CompactRoot = rootOnly
		m := start(t, cfg)
		lock(t, m)
		for _, command := range []*consensusv1.Command{
			userAdd("kube", "x"), roleAdd("kube"), roleGrant("kube", "kube"),
			permissionGrant("kube", consensusv1.Permission_TYPE_READWRITE, "/registry/", "/registry0"), put("a", "1"), put("a", "2"),
		} {
			require.NoError(t, m.as(t.Context(), root, command))
		}
		refusal := error(nil)
		if rootOnly {
			refusal = errdefs.ErrPermissionDenied
		}
		require.ErrorIs(t, m.as(t.Context(), &consensusv1.Caller{Name: "kube"}, compactTo(2)), refusal)
		require.ErrorIs(t, m.as(t.Context(), nil, compactTo(3)), errdefs.ErrUserEmpty)
		require.NoError(t, m.as(t.Context(), root, compactTo(3)))
	}
}

// Goal: no password is in the log or on disk. Method: users with a password that would be found, and all files of the member.
func TestNoPasswordIsStored(t *testing.T) {
	fs := vfs.NewMem()
	cfg := testConfig(fs)
	quick(&cfg)
	m := start(t, cfg)
	lock(t, m)
	const password = "a password that would be found"
	require.NoError(t, m.as(t.Context(), root, userAdd("bob", password)))
	require.NoError(t, m.as(t.Context(), root, passwordChange("bob", password+"!")))
	require.NoError(t, m.halt())
	found := 0
	walkFiles(t, fs, cfg.DataDir, func(content string) {
		require.NotContains(t, content, password)
		found++
	})
	require.NotZero(t, found)
}

// walkFiles calls fn with the content of every file below a directory.
func walkFiles(t *testing.T, fs vfs.FS, dir string, fn func(content string)) {
	t.Helper()
	names, err := fs.List(dir)
	require.NoError(t, err)
	for _, name := range names {
		path := fs.PathJoin(dir, name)
		info, err := fs.Stat(path)
		require.NoError(t, err)
		if info.IsDir() {
			walkFiles(t, fs, path, fn)
			continue
		}
		file, err := fs.Open(path)
		require.NoError(t, err)
		content, err := io.ReadAll(file)
		require.NoError(t, errors.Join(err, file.Close()))
		fn(string(content))
	}
}

// A member that was removed while authentication was enabled took all others with it: what its removal has lowered was nobody's command.
// Method: three members, a follower is removed, and the others take writes.
func TestMembersLeaveWhileUsersCount(t *testing.T) {
	_, members := clusterWith(t, 3, quick, nil)
	lock(t, members[0])
	ctx := t.Context()
	leaves := slices.IndexFunc(members, func(m *running) bool { return !m.replica.Leads() })
	gone := members[leaves].MemberID()
	members = slices.Delete(members, leaves, leaves+1)
	_, err := members[0].RemoveMember(ctx, &consensusv1.RemoveMemberRequest{Id: gone})
	require.NoError(t, err)
	for _, m := range members {
		require.NoError(t, m.as(ctx, root, put("c", "1")))
	}
}
