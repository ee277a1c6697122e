package moving

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/protobuf/proto"

	"github.com/quoratedb/quorate/tests/harness"
)

const (
	dialWithin = 10 * time.Second
	// watchWithin bounds how long the history may take to come.
	watchWithin = 30 * time.Second
)

// programs are those of both sides.
type programs struct{ quorate, quorateutl, etcd, etcdutl string }

func built(t *testing.T) programs {
	t.Helper()
	if harness.IsPeer() {
		t.Skip("both sides are named here")
	}
	path := func(path string, err error) string {
		require.NoError(t, err)
		return path
	}
	return programs{
		path(harness.Binary()), path(harness.Make("build", "bin/quorateutl")), path(harness.Peer("etcd")), path(harness.Peer("etcdutl")),
	}
}

// restored starts a server on what a tool restores from a snapshot, nothing for an empty name.
func restored(t *testing.T, binary, tool, snapshot string) *harness.Server {
	t.Helper()
	s := harness.New(harness.Config{Binary: binary, DataDir: filepath.Join(t.TempDir(), "data")})
	if snapshot != "" {
		args := []string{"snapshot", "restore", snapshot}
		for _, arg := range s.Args() {
			for _, flag := range []string{"--name=", "--data-dir=", "--initial-cluster=", "--initial-advertise-peer-urls="} {
				if strings.HasPrefix(arg, flag) {
					args = append(args, arg)
				}
			}
		}
		said, err := exec.CommandContext(t.Context(), tool, args...).CombinedOutput()
		require.NoError(t, err, "%s", said)
	}
	require.NoError(t, s.Start(t.Context()))
	t.Cleanup(func() {
		s.Kill()
		if t.Failed() {
			t.Log(s.Output())
		}
	})
	return s
}

func dial(t *testing.T, s *harness.Server, user, password string) *clientv3.Client {
	t.Helper()
	c, err := clientv3.New(clientv3.Config{Endpoints: []string{s.Endpoint()}, Username: user, Password: password, DialTimeout: dialWithin, Logger: zap.NewNop()})
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// save writes a snapshot and stops the server.
func save(t *testing.T, s *harness.Server, c *clientv3.Client) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "snapshot.db")
	r, err := c.Snapshot(t.Context())
	require.NoError(t, err)
	f, err := os.Create(path)
	require.NoError(t, err)
	_, err = io.Copy(f, r)
	require.NoError(t, err)
	require.NoError(t, f.Close())
	_, err = s.Stop(syscall.SIGTERM)
	require.NoError(t, err)
	return path
}

// fill writes something of everything: versions, deletions, transactions, leases, a compaction, users and roles.
func fill(t *testing.T, c *clientv3.Client) {
	t.Helper()
	ctx := t.Context()
	must := func(_ any, err error) {
		t.Helper()
		require.NoError(t, err)
	}
	for i := range 30 {
		must(c.Put(ctx, fmt.Sprintf("k/%d", i%7), strings.Repeat("v", i)))
	}
	must(c.Delete(ctx, "k/3"))
	must(c.Compact(ctx, compacted))
	lease, err := c.Grant(ctx, 3600)
	require.NoError(t, err)
	must(c.Put(ctx, "leased/1", "a", clientv3.WithLease(lease.ID)))
	must(c.Put(ctx, "leased/2", "\x00\xff", clientv3.WithLease(lease.ID)))
	must(c.Grant(ctx, 7200))
	must(c.Txn(ctx).Then(clientv3.OpPut("t/1", "x"), clientv3.OpDelete("k/4"), clientv3.OpPut("t/2", "")).Commit())
	must(c.Put(ctx, "k/3", "again"))
	must(c.Delete(ctx, "k/", clientv3.WithPrefix()))
	must(c.Put(ctx, "k/5", "anew"))
	must(c.UserAdd(ctx, "root", "secret"))
	must(c.UserGrantRole(ctx, "root", "root"))
	must(c.UserAdd(ctx, "ann", "hers"))
	must(c.RoleAdd(ctx, "reader"))
	must(c.RoleGrantPermission(ctx, "reader", "k/", "k0", clientv3.PermissionType(clientv3.PermRead)))
	must(c.RoleGrantPermission(ctx, "reader", "own", "", clientv3.PermissionType(clientv3.PermReadWrite)))
	must(c.UserGrantRole(ctx, "ann", "reader"))
	must(c.UserAddWithOptions(ctx, "robot", "", &clientv3.UserAddOptions{NoPassword: true}))
	must(c.AuthEnable(ctx))
}

// compacted is the revision that fill compacts at.
const compacted = 20

// told is all that a store tells of what it holds from a compacted revision on, as root sees it.
func told(t *testing.T, c *clientv3.Client, compacted int64) []string {
	t.Helper()
	ctx := t.Context()
	var all []string
	note := func(what string, m proto.Message) {
		text, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
		require.NoError(t, err)
		all = append(all, fmt.Sprintf("%s %q", what, text))
	}
	newest, err := c.Get(ctx, "\x00", clientv3.WithFromKey())
	require.NoError(t, err)
	for revision := compacted; revision <= newest.Header.Revision; revision++ {
		got, err := c.Get(ctx, "\x00", clientv3.WithFromKey(), clientv3.WithRev(revision))
		require.NoError(t, err)
		for _, kv := range got.Kvs {
			note(fmt.Sprint("at ", revision), kv)
		}
	}
	_, err = c.Get(ctx, "k", clientv3.WithRev(compacted-1))
	require.ErrorContains(t, err, "compacted")
	watching, stop := context.WithTimeout(ctx, watchWithin)
	defer stop()
	for seen := int64(0); seen < newest.Header.Revision; {
		for response := range c.Watch(watching, "\x00", clientv3.WithFromKey(), clientv3.WithRev(compacted+1), clientv3.WithPrevKV()) {
			require.NoError(t, response.Err())
			for _, event := range response.Events {
				all = append(all, fmt.Sprint("event ", event.Type, event.Kv, event.PrevKv))
				seen = event.Kv.ModRevision
			}
			if seen == newest.Header.Revision {
				break
			}
		}
		require.NoError(t, watching.Err())
	}
	return append(all, harness.ToldBesideKeys(t, c)...)
}

// requireSameFile fails unless both tools say the same of a file. etcd's writes into what it hashes, so it gets a copy.
func requireSameFile(t *testing.T, p programs, path string) {
	t.Helper()
	for _, args := range [][]string{{"snapshot", "status", path, "-w", "json"}, {"hashkv", path}, {"hashkv", path, "--rev=25"}} {
		ours, err := exec.CommandContext(t.Context(), p.quorateutl, args...).Output()
		require.NoError(t, err)
		copied := filepath.Join(t.TempDir(), "copy.db")
		content, err := os.ReadFile(path)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(copied, content, 0o600))
		args[slices.Index(args, path)] = copied
		theirs, err := exec.CommandContext(t.Context(), p.etcdutl, args...).Output()
		require.NoError(t, err)
		require.Equal(t, string(theirs), string(ours), "%q", args)
	}
}

// requirePasswords fails unless passwords and rights count as they did.
func requirePasswords(t *testing.T, s *harness.Server) {
	t.Helper()
	ann := dial(t, s, "ann", "hers")
	_, err := ann.Get(t.Context(), "k/5")
	require.NoError(t, err)
	_, err = ann.Put(t.Context(), "k/5", "mine")
	require.ErrorContains(t, err, "permission denied")
	_, err = dial(t, s, "", "").Get(t.Context(), "k/5")
	require.ErrorContains(t, err, "user name is empty")
	_, err = clientv3.New(clientv3.Config{Endpoints: []string{s.Endpoint()}, Username: "ann", Password: "his", DialTimeout: dialWithin, Logger: zap.NewNop()})
	require.ErrorContains(t, err, "authentication failed")
}

// Goal: a store that goes from Quorate to etcd and back, and one that goes from etcd to Quorate, has every key with every version, revision and
// lease, every event, user and role at each station, and asks for the same passwords; both tools say the same of its files. Method: all that a store
// tells, compared.
func TestRoundTrip(t *testing.T) {
	p := built(t)
	first := restored(t, p.quorate, "", "")
	fill(t, dial(t, first, "", ""))
	root := dial(t, first, "root", "secret")
	want := told(t, root, compacted)
	require.Greater(t, len(want), 100)

	saved := save(t, first, root)
	requireSameFile(t, p, saved)
	there := restored(t, p.etcd, p.etcdutl, saved)
	root = dial(t, there, "root", "secret")
	require.Equal(t, want, told(t, root, compacted))
	requirePasswords(t, there)

	saved = save(t, there, root)
	requireSameFile(t, p, saved)
	back := restored(t, p.quorate, p.quorateutl, saved)
	require.Equal(t, want, told(t, dial(t, back, "root", "secret"), compacted))
	requirePasswords(t, back)
}
