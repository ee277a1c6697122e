package harness

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// ToldAuth begins the line of ToldBesideKeys that says how authentication stands.
const ToldAuth = "auth "

// ToldBesideKeys is what a store tells of its leases and their keys, authentication, users and roles, a line each, to compare with another's.
func ToldBesideKeys(t *testing.T, c *clientv3.Client) (all []string) {
	t.Helper()
	ctx := Context(t)
	leases, err := c.Leases(ctx)
	require.NoError(t, err)
	for _, lease := range leases.Leases {
		of, err := c.TimeToLive(ctx, lease.ID, clientv3.WithAttachedKeys())
		require.NoError(t, err)
		require.Positive(t, of.TTL)
		slices.SortFunc(of.Keys, slices.Compare)
		all = append(all, fmt.Sprintf("lease %x %d %q", of.ID, of.GrantedTTL, of.Keys))
	}
	slices.Sort(all)
	auth, err := c.AuthStatus(ctx)
	if status.Code(err) != codes.Unimplemented { // etcd 3.4 does not tell
		require.NoError(t, err)
		all = append(all, fmt.Sprint(ToldAuth, auth.Enabled, auth.AuthRevision))
	}
	users, err := c.UserList(ctx)
	require.NoError(t, err)
	for _, name := range users.Users {
		user, err := c.UserGet(ctx, name)
		require.NoError(t, err)
		all = append(all, fmt.Sprint("user ", name, user.Roles))
	}
	roles, err := c.RoleList(ctx)
	require.NoError(t, err)
	for _, name := range roles.Roles {
		role, err := c.RoleGet(ctx, name)
		require.NoError(t, err)
		all = append(all, fmt.Sprint("role ", name, role.Perm))
	}
	return all
}
