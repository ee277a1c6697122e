package apart

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/quoratedb/quorate/tests/harness"
)

// Goal: users and roles count through services apart as in one process, at every API node: for data, for leases, for what only root may, and
// on open watches; what one node has changed counts at the other. Method: two API nodes; users are made at one and used at both.
func TestUsers(t *testing.T) {
	s := start(t, harness.Sizes{Consensus: 3, Lease: 2, Watch: 2, API: 2}, false)
	nobody, ctx := dial(t, s.Endpoints()[0]), harness.Context(t)
	for _, step := range []func() error{
		func() error { _, err := nobody.UserAdd(ctx, "root", "secret"); return err },
		func() error { _, err := nobody.UserGrantRole(ctx, "root", "root"); return err },
		func() error { _, err := nobody.UserAdd(ctx, "ann", "hers"); return err },
		func() error { _, err := nobody.RoleAdd(ctx, "some"); return err },
		func() error {
			_, err := nobody.RoleGrantPermission(ctx, "some", "a", "c", clientv3.PermissionType(clientv3.PermReadWrite))
			return err
		},
		func() error { _, err := nobody.UserGrantRole(ctx, "ann", "some"); return err },
		func() error { _, err := nobody.AuthEnable(ctx); return err },
	} {
		require.NoError(t, step())
	}
	as := func(name, password, endpoint string) *clientv3.Client {
		client, err := clientv3.New(clientv3.Config{Endpoints: []string{endpoint}, Username: name, Password: password, DialTimeout: 20 * time.Second})
		require.NoError(t, err)
		t.Cleanup(func() { client.Close() })
		return client
	}
	root := as("root", "secret", s.Endpoints()[0])
	lease, err := root.Grant(ctx, 600)
	require.NoError(t, err)
	_, err = root.Put(ctx, "x", "1", clientv3.WithLease(lease.ID))
	require.NoError(t, err)
	for _, endpoint := range s.Endpoints() {
		ann, nobody := as("ann", "hers", endpoint), dial(t, endpoint)
		_, err := ann.Put(ctx, "b", "1")
		require.NoError(t, err)
		_, err = ann.Put(ctx, "x", "2")
		require.ErrorIs(t, err, rpctypes.ErrPermissionDenied)
		_, err = ann.Get(ctx, "a", clientv3.WithFromKey())
		require.ErrorIs(t, err, rpctypes.ErrPermissionDenied)
		_, err = ann.Revoke(ctx, lease.ID)
		require.ErrorIs(t, err, rpctypes.ErrPermissionDenied)
		_, err = ann.KeepAliveOnce(ctx, lease.ID)
		require.ErrorIs(t, err, rpctypes.ErrPermissionDenied)
		_, err = ann.TimeToLive(ctx, lease.ID, clientv3.WithAttachedKeys())
		require.ErrorIs(t, err, rpctypes.ErrPermissionDenied)
		_, err = ann.MemberList(ctx)
		require.NoError(t, err)
		_, err = ann.MemberRemove(ctx, 1)
		require.ErrorIs(t, err, rpctypes.ErrPermissionDenied)
		for _, call := range []func() error{
			func() error { _, err := nobody.Get(ctx, "b"); return err },
			func() error { _, err := nobody.Put(ctx, "b", ""); return err },
			func() error { _, err := nobody.MemberList(ctx); return err },
			func() error { _, err := nobody.MemberRemove(ctx, 1); return err },
			func() error { _, err := nobody.Grant(ctx, 10); return err },
			func() error { _, err := nobody.Revoke(ctx, lease.ID); return err },
			func() error { _, err := nobody.UserList(ctx); return err },
		} {
			require.ErrorIs(t, call(), rpctypes.ErrUserEmpty)
		}
	}
	ann := as("ann", "hers", s.Endpoints()[1])
	events := ann.Watch(ctx, "b", clientv3.WithCreatedNotify())
	require.True(t, (<-events).Created)
	_, err = root.RoleRevokePermission(ctx, "some", "a", "c") // at the other API node
	require.NoError(t, err)
	_, open := <-events
	require.False(t, open, "clientv3 closes the channel of a watch that the server has cancelled")
	_, err = ann.Get(ctx, "b")
	require.ErrorIs(t, err, rpctypes.ErrPermissionDenied)
}
