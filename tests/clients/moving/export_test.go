package moving

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/quoratedb/quorate/tests/harness"
)

// exported starts an etcd on what the tool makes of a member's directory, and returns what the tool says.
func exported(t *testing.T, p programs, binary, from string) (*harness.Server, string) {
	t.Helper()
	s := harness.New(harness.Config{Binary: binary, DataDir: filepath.Join(t.TempDir(), "exported")})
	said, err := exec.CommandContext(t.Context(), p.quorateutl, "export-to-etcd", from, "--data-dir", s.DataDir()).CombinedOutput()
	require.NoError(t, err, "%s", said)
	t.Logf("%s", said)
	require.NoError(t, s.Start(t.Context()))
	t.Cleanup(func() {
		s.Kill()
		if t.Failed() {
			t.Log(s.Output())
		}
	})
	return s, string(said)
}

// Goal: a member that was killed under load and exported is an etcd with every key with every version, revision and lease, every event, user, role and
// password that the member would have had itself, which goes on from there, and is migrated back. Method: what the member tells after a restart on a copy
// of its directory is compared with what each etcd tells, and with what a member tells on what that etcd has left.
func TestKilledMemberIsExported(t *testing.T) {
	p := built(t)
	member := harness.New(harness.Config{Binary: p.quorate, DataDir: filepath.Join(t.TempDir(), "data"), Args: []string{"--bcrypt-cost=4"}})
	require.NoError(t, member.Start(t.Context()))
	t.Cleanup(member.Kill)
	fill(t, dial(t, member, "", ""))
	acknowledged, compactedAt := load(t, member)

	killed := filepath.Join(t.TempDir(), "killed")
	require.NoError(t, os.CopyFS(killed, os.DirFS(member.DataDir())))
	require.NoError(t, member.Start(t.Context()))
	want := told(t, dial(t, member, "root", "secret"), compactedAt)
	member.Kill()

	for _, binary := range etcds(p) {
		if strings.HasSuffix(binary, "34") {
			continue // 3.5 is the oldest that the tool says it writes for
		}
		t.Run(filepath.Base(binary), func(t *testing.T) {
			before := filesOf(t, killed)
			etcd, said := exported(t, p, binary, killed)
			require.NotContains(t, said, "left out")
			require.Equal(t, before, filesOf(t, killed))
			root := dial(t, etcd, "root", "secret")
			require.Equal(t, want, told(t, root, compactedAt))
			newest, err := root.Get(t.Context(), "k/5")
			require.NoError(t, err)
			require.GreaterOrEqual(t, newest.Header.Revision, acknowledged)
			requirePasswords(t, etcd)
			// Nothing changes what is compared: a lease without keys comes and goes.
			lease, err := root.Grant(t.Context(), 3600)
			require.NoError(t, err)
			_, err = root.Revoke(t.Context(), lease.ID)
			require.NoError(t, err)
			_, err = etcd.Stop(syscall.SIGTERM)
			require.NoError(t, err)

			back := migrated(t, p, etcd.DataDir())
			require.Equal(t, want, told(t, dial(t, back, "root", "secret"), compactedAt))
		})
	}
}

// filesOf is the names, sizes and times of the files below a directory.
func filesOf(t *testing.T, dir string) []string {
	t.Helper()
	var all []string
	require.NoError(t, filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() || entry.Name() == "LOCK" {
			return err
		}
		info, err := entry.Info()
		all = append(all, fmt.Sprint(path, info.Size(), info.ModTime(), info.Mode()))
		return err
	}))
	return all
}

// Goal: what etcd has no place for is said, and revisions that clients have seen are not given anew. Method: directories and times to live of v2, whose
// newest change is of no key; what the tool says; what the etcd says of its revision and keys.
func TestWhatAnEtcdCannotHoldIsSaid(t *testing.T) {
	p := built(t)
	member := restored(t, p.quorate, "", "")
	c := dial(t, member, "", "")
	_, err := c.Put(t.Context(), "plain", "v")
	require.NoError(t, err)
	for _, args := range [][]string{{"set", "/dir/key", "v", "--ttl", "1000"}, {"mkdir", "/dir/empty"}} {
		said, err := exec.CommandContext(t.Context(), toolOf(t, "quoratectl"), append([]string{"--endpoints", member.Endpoint()}, args...)...).CombinedOutput()
		require.NoError(t, err, "%s", said)
	}
	want, err := c.Get(t.Context(), "", clientv3.WithPrefix())
	require.NoError(t, err)
	require.Len(t, want.Kvs, 2)
	_, err = member.Stop(syscall.SIGTERM)
	require.NoError(t, err)

	etcd, said := exported(t, p, p.etcd, member.DataDir())
	require.Contains(t, said, "left out: 2 directories of v2")
	require.Contains(t, said, "left out: the time to live of 1 keys of v2")
	require.Contains(t, said, "changed no key")
	got, err := dial(t, etcd, "", "").Get(t.Context(), "", clientv3.WithPrefix())
	require.NoError(t, err)
	require.Equal(t, want.Header.Revision, got.Header.Revision)
	require.Equal(t, want.Kvs, got.Kvs)
}

func toolOf(t *testing.T, name string) string {
	t.Helper()
	path, err := harness.Make("build", filepath.Join("bin", name))
	require.NoError(t, err)
	return path
}

// Goal: a cluster of three goes to etcd and has the members that it had. Method: three etcds at the members' addresses on what is made of one member's
// directory, each with the name of its member; a write of the member is read through another.
func TestClusterIsExported(t *testing.T) {
	p := built(t)
	c := harness.NewCluster(harness.Config{Binary: p.quorate, DataDir: t.TempDir()}, 3)
	require.NoError(t, c.Start(t.Context()))
	t.Cleanup(c.Kill)
	client := dial(t, c[0], "", "")
	_, err := client.Put(t.Context(), "k", "v")
	require.NoError(t, err)
	had, err := client.MemberList(t.Context())
	require.NoError(t, err)
	c.Kill()
	from := filepath.Join(t.TempDir(), "m1")
	require.NoError(t, os.Rename(c[0].DataDir(), from))
	for i, m := range c {
		require.NoError(t, os.RemoveAll(m.DataDir()))
		name := fmt.Sprintf("m%d", i+1)
		said, err := exec.CommandContext(t.Context(), p.quorateutl, "export-to-etcd", from, "--data-dir", m.DataDir(), "--name", name).CombinedOutput()
		require.NoError(t, err, "%s", said)
		require.Contains(t, string(said), "the cluster has 3 members: export a copy")
		m.SetBinary(p.etcd)
	}
	require.NoError(t, c.Start(t.Context()))
	client = dial(t, c[2], "", "")
	got, err := client.Get(t.Context(), "k")
	require.NoError(t, err)
	require.Equal(t, "v", string(got.Kvs[0].Value))
	has, err := client.MemberList(t.Context())
	require.NoError(t, err)
	require.Equal(t, had.Header.ClusterId, has.Header.ClusterId)
	require.Equal(t, fmt.Sprint(had.Members), fmt.Sprint(has.Members))
}
