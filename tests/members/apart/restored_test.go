package apart

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/quoratedb/quorate/tests/harness"
)

// rootPassword and annsPassword are those of the users of a store that fillStore has filled.
const rootPassword, annsPassword = "secret", "hers"

// fillStore writes something of everything: versions, deletions, a compaction, leases, users and roles. It returns the revision of the compaction.
func fillStore(t *testing.T, c *clientv3.Client) int64 {
	t.Helper()
	ctx := harness.Context(t)
	must := func(_ any, err error) {
		t.Helper()
		require.NoError(t, err)
	}
	for i := range 40 {
		must(c.Put(ctx, fmt.Sprintf("k/%d", i%9), fmt.Sprint("value ", i)))
	}
	must(c.Delete(ctx, "k/3"))
	compacted := int64(20)
	must(c.Compact(ctx, compacted))
	lease, err := c.Grant(ctx, 3600)
	require.NoError(t, err)
	must(c.Txn(ctx).Then(clientv3.OpPut("leased/1", "a", clientv3.WithLease(lease.ID)), clientv3.OpPut("leased/2", "\x00\xff", clientv3.WithLease(lease.ID))).Commit())
	must(c.Put(ctx, "k/3", "again"))
	must(c.UserAdd(ctx, "root", rootPassword))
	must(c.UserGrantRole(ctx, "root", "root"))
	must(c.UserAdd(ctx, "ann", annsPassword))
	must(c.RoleAdd(ctx, "reader"))
	must(c.RoleGrantPermission(ctx, "reader", "k/", "k0", clientv3.PermissionType(clientv3.PermRead)))
	must(c.UserGrantRole(ctx, "ann", "reader"))
	must(c.AuthEnable(ctx))
	return compacted
}

// storeOf is all that a store tells of what it holds from a compacted revision on, as root sees it.
func storeOf(t *testing.T, c *clientv3.Client, compacted int64) (all []string) {
	t.Helper()
	ctx := harness.Context(t)
	newest, err := c.Get(ctx, "\x00", clientv3.WithFromKey())
	require.NoError(t, err)
	for revision := compacted; revision <= newest.Header.Revision; revision++ {
		got, err := c.Get(ctx, "\x00", clientv3.WithFromKey(), clientv3.WithRev(revision))
		require.NoError(t, err)
		for _, kv := range got.Kvs {
			all = append(all, fmt.Sprint("at ", revision, " ", kv))
		}
	}
	_, err = c.Get(ctx, "k", clientv3.WithRev(compacted-1))
	require.ErrorIs(t, err, rpctypes.ErrCompacted)
	return append(all, harness.ToldBesideKeys(t, c)...)
}

// saveSnapshot writes a snapshot of a store into a file.
func saveSnapshot(t *testing.T, c *clientv3.Client) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "snapshot.db")
	stream, err := c.Snapshot(harness.Context(t))
	require.NoError(t, err)
	file, err := os.Create(path)
	require.NoError(t, err)
	_, err = io.Copy(file, stream)
	require.NoError(t, err)
	require.NoError(t, file.Close())
	return path
}

// Goal: a snapshot of a member in one process becomes three members whose services run apart, which serve every key with its versions, every lease, user and
// role, by each API node, ask for the same passwords, and go on from there. Method: quorateutl restores it for each member; all that the stores tell is compared.
func TestSnapshotBecomesMembersApart(t *testing.T) {
	one := harness.Run(t, "--bcrypt-cost=4")
	as := func(name, password, endpoint string) *clientv3.Client {
		client, err := harness.DialAs(name, password, nil, endpoint)
		require.NoError(t, err)
		t.Cleanup(func() { client.Close() })
		return client
	}
	compacted := fillStore(t, dial(t, one.Endpoint()))
	root := as("root", rootPassword, one.Endpoint())
	want := storeOf(t, root, compacted)
	require.Greater(t, len(want), 200)
	saved := saveSnapshot(t, root)
	one.Kill()

	s := placed(t, harness.ApartConfig{DataDir: t.TempDir(), Sizes: harness.Sizes{Consensus: 3, Lease: 1, Watch: 1, API: 2}})
	quorateutl, err := harness.Make("build", "bin/quorateutl")
	require.NoError(t, err)
	for _, member := range s.Consensus {
		args := []string{"snapshot", "restore", saved}
		for _, arg := range member.Args() {
			for _, flag := range []string{"--name=", "--data-dir=", "--initial-cluster=", "--initial-advertise-peer-urls="} {
				if strings.HasPrefix(arg, flag) {
					args = append(args, arg)
				}
			}
		}
		said, err := exec.CommandContext(harness.Context(t), quorateutl, args...).CombinedOutput()
		require.NoError(t, err, "%s", said)
	}
	require.NoError(t, s.Start(t.Context()))
	for _, endpoint := range s.Endpoints() {
		require.Equal(t, want, storeOf(t, as("root", rootPassword, endpoint), compacted), endpoint)
		ann := as("ann", annsPassword, endpoint)
		got, err := ann.Get(harness.Context(t), "k/3")
		require.NoError(t, err)
		require.Equal(t, "again", string(got.Kvs[0].Value))
		_, err = ann.Put(harness.Context(t), "k/3", "mine")
		require.ErrorIs(t, err, rpctypes.ErrPermissionDenied)
		_, err = dial(t, endpoint).Get(harness.Context(t), "k/3")
		require.ErrorIs(t, err, rpctypes.ErrUserEmpty)
	}
	root = as("root", rootPassword, s.Endpoints()[0])
	leases, err := root.Leases(harness.Context(t))
	require.NoError(t, err)
	_, err = root.KeepAliveOnce(harness.Context(t), leases.Leases[0].ID)
	require.NoError(t, err)
	before, err := root.Get(harness.Context(t), "k/1")
	require.NoError(t, err)
	written, err := root.Put(harness.Context(t), "k/1", "anew")
	require.NoError(t, err)
	require.Equal(t, before.Header.Revision+1, written.Header.Revision)
	_, err = root.Revoke(harness.Context(t), leases.Leases[0].ID)
	require.NoError(t, err)
	gone, err := as("root", rootPassword, s.Endpoints()[1]).Get(harness.Context(t), "leased/", clientv3.WithPrefix())
	require.NoError(t, err)
	require.Zero(t, gone.Count)
}
