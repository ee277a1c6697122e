package etcdctl

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/quoratedb/quorate/tests/harness"
)

// own gives a parallel test a server for itself.
func own(t *testing.T, args ...string) *ctl {
	t.Helper()
	t.Parallel()
	return &ctl{t, harness.Run(t, args...)}
}

// Goal: endpoint health, status and hashkv, and member list. Method: what is printed, as a table or as JSON.
func TestEndpointAndMember(t *testing.T) {
	c := own(t)
	c.ok("put", "a", "v")
	health, err := c.command("endpoint", "health").CombinedOutput()
	require.NoError(t, err)
	require.Contains(t, string(health), c.server.Endpoint()+" is healthy: successfully committed proposal")

	var status []struct {
		Endpoint string
		Status   struct {
			Header struct {
				MemberID uint64 `json:"member_id"`
				Revision int64
			}
			Leader  uint64
			Version string
			DBSize  int64 `json:"dbSize"`
		}
	}
	require.NoError(t, json.Unmarshal([]byte(c.ok("endpoint", "status", "-w=json")), &status))
	require.Len(t, status, 1)
	require.Equal(t, status[0].Status.Header.MemberID, status[0].Status.Leader)
	require.EqualValues(t, 2, status[0].Status.Header.Revision)
	require.Positive(t, status[0].Status.DBSize)
	table := c.ok("endpoint", "status", "-w=table")
	require.Contains(t, table, c.server.Endpoint())
	require.Contains(t, table, status[0].Status.Version)

	hash := c.ok("endpoint", "hashkv")
	require.Regexp(t, `^`+c.server.Endpoint()+`, \d+, 2\n$`, hash)
	require.Equal(t, hash, c.ok("endpoint", "hashkv", "--rev=2"))

	members := c.ok("member", "list")
	require.Regexp(t, `^[0-9a-f]+, started, one, http://127.0.0.1:\d+, `+c.server.URL()+`, false\n$`, members)
	require.Empty(t, c.ok("alarm", "list"))
	require.Contains(t, c.ok("defrag"), "Finished defragmenting etcd member["+c.server.Endpoint()+"]")
}

// Goal: a snapshot is etcd's: its tools check it, restore it, and etcd serves it. Method: save, status, restore, start etcd on it and compare
// keys, revisions and leases.
func TestSnapshot(t *testing.T) {
	c := own(t)
	for _, value := range []string{"1", "2", "3"} {
		c.ok("put", "a", value)
	}
	c.ok("put", "b", "gone")
	c.ok("del", "b")
	lease := strings.Fields(c.ok("lease", "grant", "6000"))[1]
	c.ok("put", "--lease="+lease, "c", "leased")
	c.ok("compaction", "3")

	file := filepath.Join(t.TempDir(), "backup.db")
	require.Contains(t, c.ok("snapshot", "save", file), "Snapshot saved at "+file)
	var status struct {
		Revision int64
		TotalKey int `json:"totalKey"`
		Version  string
	}
	out, err := harness.Command(t, "etcdutl", "snapshot", "status", file, "-w=json").Output()
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(out, &status))
	require.EqualValues(t, 7, status.Revision)
	require.NotZero(t, status.TotalKey)
	require.Equal(t, "3.7.0", status.Version)

	// A damaged copy is noticed.
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	data[len(data)/2] ^= 1
	damaged := file + ".damaged"
	require.NoError(t, os.WriteFile(damaged, data, 0o600))
	require.Error(t, harness.Command(t, "etcdutl", "snapshot", "restore", damaged, "--data-dir="+damaged+".dir").Run())

	etcd := restoreByEtcd(t, file)
	there := &ctl{t, etcd}
	for _, args := range [][]string{
		{"get", "", "--prefix"},
		{"get", "a", "--rev=3"},
		{"get", "b", "--rev=5"},
		{"get", "", "--prefix", "-w=fields", "--sort-by=KEY"},
		{"lease", "list"},
	} {
		require.Equal(t, withoutHeader(c.ok(args...)), withoutHeader(there.ok(args...)), args)
	}
	require.Contains(t, there.fails("get", "a", "--rev=2"), "required revision has been compacted")
	require.Contains(t, there.ok("lease", "timetolive", "--keys", lease), "attached keys([c])")
	require.Equal(t, "OK\n", there.ok("put", "a", "4"))
}

// restoreByEtcd has etcd's tool restore a snapshot, and etcd serve it.
func restoreByEtcd(t *testing.T, file string) *harness.Server {
	t.Helper()
	binary, err := harness.Peer("etcd")
	require.NoError(t, err)
	etcd := harness.New(harness.Config{Binary: binary, DataDir: filepath.Join(t.TempDir(), "restored")})
	var placed []string
	for _, arg := range etcd.Args() {
		if strings.HasPrefix(arg, "--name=") || strings.HasPrefix(arg, "--initial-") || strings.HasPrefix(arg, "--data-dir=") {
			placed = append(placed, arg)
		}
	}
	restored, err := harness.Command(t, "etcdutl", append([]string{"snapshot", "restore", file}, placed...)...).CombinedOutput()
	require.NoError(t, err, "%s", restored)
	require.NoError(t, etcd.Start(harness.Context(t)))
	t.Cleanup(etcd.Kill)
	return etcd
}

// Goal: users, roles and passwords go with a snapshot. Method: etcd serves a snapshot of ours, and is asked what ours was asked.
func TestSnapshotHasUsersAndRoles(t *testing.T) {
	c := own(t, "--bcrypt-cost=4") // a log-in has two seconds
	for _, args := range [][]string{
		{"user", "add", "root:secret"},
		{"user", "grant-role", "root", "root"},
		{"user", "add", "ann:hers"},
		{"user", "add", "bob", "--no-password"},
		{"role", "add", "some"},
		{"role", "grant-permission", "some", "readwrite", "a", "c"},
		{"role", "grant-permission", "some", "read", "from", "--from-key"},
		{"user", "grant-role", "ann", "some"},
		{"put", "b", "1"},
		{"put", "z", "1"},
		{"auth", "enable"},
	} {
		c.ok(args...)
	}
	file := filepath.Join(t.TempDir(), "snapshot")
	c.ok("--user=root:secret", "snapshot", "save", file)
	there := &ctl{t, restoreByEtcd(t, file)}
	for _, args := range [][]string{
		{"--user=root:secret", "user", "list"},
		{"--user=root:secret", "user", "get", "ann", "--detail"},
		{"--user=root:secret", "user", "get", "bob"},
		{"--user=root:secret", "role", "get", "some"},
		{"--user=root:secret", "auth", "status"},
		{"--user=ann:hers", "get", "b"},
		{"--user=ann:hers", "put", "a", "2"},
	} {
		require.Equal(t, c.ok(args...), there.ok(args...), args)
	}
	for _, args := range [][]string{
		{"--user=ann:hers", "get", "a", "z"},
		{"--user=ann:his", "get", "a"},
		{"get", "b"},
	} {
		require.Equal(t, lastLine(c.fails(args...)), lastLine(there.fails(args...)), args)
	}
}

// lastLine is the error itself; before it the client logs with its time.
func lastLine(out string) string {
	lines := strings.Split(strings.TrimSpace(out), "\n")
	return lines[len(lines)-1]
}

// withoutHeader drops what differs between two clusters.
func withoutHeader(out string) string {
	var lines []string
	for line := range strings.Lines(out) {
		if !strings.Contains(line, `"ClusterID"`) && !strings.Contains(line, `"MemberID"`) && !strings.Contains(line, `"RaftTerm"`) {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "")
}
