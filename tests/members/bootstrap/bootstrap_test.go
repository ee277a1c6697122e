package bootstrap

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/quoratedb/quorate/tests/harness"
)

// endWithin bounds how long a member takes to find out that it cannot start.
const endWithin = 30 * time.Second

func binaries(t *testing.T) (quorate, etcd string) {
	t.Helper()
	quorate, err := harness.Binary()
	require.NoError(t, err)
	etcd, err = harness.Peer("etcd")
	require.NoError(t, err)
	return quorate, etcd
}

// place makes a server that is killed at the end of the test, and whose output is shown if the test has failed.
func place(t *testing.T, binary string, args ...string) *harness.Server {
	t.Helper()
	s := harness.New(harness.Config{Binary: binary, DataDir: filepath.Join(t.TempDir(), "data"), Args: args})
	watchOver(t, s)
	return s
}

// Goal: a member that joins without having been added says at once what it waits for, and goes on once it is added (it was
// silent for ten seconds, and ended). Method: add it when it has said so.
func TestJoinSaysWhatItWaitsFor(t *testing.T) {
	quorate, _ := binaries(t)
	first := place(t, quorate)
	require.NoError(t, first.Start(t.Context()))
	url := fmt.Sprintf("http://127.0.0.1:%d", harness.FreePort())
	founders := ""
	for _, arg := range first.Args() {
		if list, ok := strings.CutPrefix(arg, "--initial-cluster="); ok {
			founders = list
		}
	}
	second := place(t, quorate, "--name=two", "--listen-peer-urls="+url, "--initial-advertise-peer-urls="+url,
		"--initial-cluster="+founders+",two="+url, "--initial-cluster-state=existing")
	require.NoError(t, second.Launch())
	require.NoError(t, second.AwaitOutput(harness.Context(t), "etcdctl member add two --peer-urls="+url+")"))
	_, err := harness.Client(t, first).MemberAdd(harness.Context(t), []string{url})
	require.NoError(t, err)
	require.NoError(t, second.AwaitReady(t.Context()))
}

func watchOver(t *testing.T, s *harness.Server) {
	t.Cleanup(func() {
		s.Kill()
		if t.Failed() {
			t.Logf("a server's output:\n%s", s.Output())
		}
	})
}

// Members of either program meet in a registry that either program keeps, and are one cluster, which a latecomer is
// refused. The registry is what etcd's own documentation has users set up, through etcd's client.
func TestDiscoveryAcrossPrograms(t *testing.T) {
	quorate, etcd := binaries(t)
	for name, test := range map[string]struct{ registry, member string }{
		"members in etcd's registry":    {etcd, quorate},
		"members in a registry of ours": {quorate, quorate},
		"etcd's in a registry of ours":  {quorate, etcd},
	} {
		t.Run(name, func(t *testing.T) {
			registry := place(t, test.registry)
			require.NoError(t, registry.Start(t.Context()))
			meeting := harness.Client(t, registry)
			ctx := harness.Context(t)
			_, err := meeting.Put(ctx, "/_etcd/registry/tok/_config/size", "3")
			require.NoError(t, err)
			args := func(name string) []string {
				return []string{"--name=" + name, "--initial-cluster=", "--discovery-token=tok", "--discovery-endpoints=" + registry.Endpoint()}
			}
			var members []*harness.Server
			for i := range 3 {
				members = append(members, place(t, test.member, args(fmt.Sprintf("m%d", i))...))
				require.NoError(t, members[i].Launch())
			}
			for _, member := range members {
				require.NoError(t, member.AwaitReady(t.Context()))
			}
			client := harness.Client(t, members[0])
			_, err = client.Put(ctx, "key", "value")
			require.NoError(t, err)
			list, err := client.MemberList(ctx)
			require.NoError(t, err)
			require.Len(t, list.Members, 3)
			answer, err := harness.Client(t, members[2]).Get(ctx, "key")
			require.NoError(t, err)
			require.Len(t, answer.Kvs, 1)
			registered, err := meeting.Get(ctx, "/_etcd/registry/tok/members/", clientv3.WithPrefix())
			require.NoError(t, err)
			require.Len(t, registered.Kvs, 3)
			for _, member := range list.Members {
				kv, err := meeting.Get(ctx, fmt.Sprintf("/_etcd/registry/tok/members/%x", member.ID))
				require.NoError(t, err)
				require.Len(t, kv.Kvs, 1)
				require.Equal(t, member.Name+"="+member.PeerURLs[0], string(kv.Kvs[0].Value))
			}

			late := place(t, test.member, args("late")...)
			require.NoError(t, late.Launch())
			code, err := late.Wait(endWithin)
			require.NoError(t, err)
			require.Equal(t, 1, code)
			require.Contains(t, late.Output(), "discovery: cluster is full")
		})
	}
}

// Members that run apart meet in a registry too, are one cluster under their names, and refuse a latecomer; one that waits
// for others ends when it is told to, and leaves no directory behind.
func TestDiscoveryApart(t *testing.T) {
	if harness.IsPeer() {
		t.Skip("etcd has no services apart")
	}
	_, etcd := binaries(t)
	programs, err := harness.Make("build", "bin")
	require.NoError(t, err)
	registry := place(t, etcd)
	require.NoError(t, registry.Start(t.Context()))
	meeting := harness.Client(t, registry)
	ctx := harness.Context(t)
	_, err = meeting.Put(ctx, "/_etcd/registry/tok/_config/size", "3")
	require.NoError(t, err)
	dir := t.TempDir()
	apart := func(members, others int, token string) *harness.Apart {
		placed := harness.NewApart(harness.ApartConfig{
			Programs: programs, DataDir: filepath.Join(dir, token), Sizes: harness.Sizes{Consensus: members, Lease: others, Watch: others, API: others},
			ConsensusArgs: []string{"--initial-cluster=", "--discovery-token=" + token, "--discovery-endpoints=" + registry.Endpoint()},
		})
		for _, node := range placed.All() {
			watchOver(t, node)
		}
		return placed
	}
	s := apart(4, 1, "tok")
	late := s.Consensus[3]
	s.Consensus = s.Consensus[:3]
	require.NoError(t, s.Start(t.Context()))
	client := harness.Client(t, s.API[0])
	_, err = client.Put(ctx, "key", "value")
	require.NoError(t, err)
	list, err := client.MemberList(ctx)
	require.NoError(t, err)
	require.Len(t, list.Members, 3)
	for _, member := range list.Members {
		kv, err := meeting.Get(ctx, fmt.Sprintf("/_etcd/registry/tok/members/%x", member.ID))
		require.NoError(t, err)
		require.Len(t, kv.Kvs, 1)
		require.Equal(t, member.Name+"="+member.PeerURLs[0], string(kv.Kvs[0].Value))
	}

	require.NoError(t, late.Launch())
	code, err := late.Wait(endWithin)
	require.NoError(t, err)
	require.Equal(t, 1, code)
	require.Contains(t, late.Output(), "discovery: cluster is full")

	_, err = meeting.Put(ctx, "/_etcd/registry/lonely/_config/size", "2")
	require.NoError(t, err)
	lonely := apart(1, 0, "lonely").Consensus[0]
	require.NoError(t, lonely.Launch())
	require.NoError(t, lonely.AwaitOutput(ctx, "waiting for the other members to register"))
	code, err = lonely.Stop(syscall.SIGTERM)
	require.NoError(t, err)
	require.Zero(t, code)
	require.NoDirExists(t, filepath.Join(dir, "lonely", "m0"))
}

// cluster starts three members and has one write acknowledged by way of each.
func cluster(t *testing.T) (harness.Cluster, *clientv3.Client) {
	t.Helper()
	binary, err := harness.Binary()
	require.NoError(t, err)
	members := harness.NewCluster(harness.Config{Binary: binary, DataDir: t.TempDir(), Args: []string{"--strict-reconfig-check=false"}}, 3)
	for _, member := range members {
		watchOver(t, member)
	}
	require.NoError(t, members.Start(t.Context()))
	return members, harness.Client(t, members[0])
}

const keys = 200

func fill(t *testing.T, client *clientv3.Client) {
	t.Helper()
	done := make(chan error, keys)
	for i := range keys {
		go func() {
			_, err := harness.Put(harness.Context(t), client, fmt.Sprintf("key/%d", i), "acknowledged")
			done <- err
		}()
	}
	for range keys {
		require.NoError(t, <-done)
	}
}

func requireFilled(t *testing.T, server *harness.Server) {
	t.Helper()
	answer, err := harness.Client(t, server).Get(harness.Context(t), "key/", clientv3.WithPrefix(), clientv3.WithCountOnly())
	require.NoError(t, err)
	require.Equal(t, int64(keys), answer.Count)
}

// Of a cluster that was killed, each member alone has everything that its log had, once it is forced. One goes
// on, tells the others that they are removed, and grows to three again; then any of the three may fail.
func TestForceNewCluster(t *testing.T) {
	if harness.IsPeer() {
		t.Skip("etcd drops what is not known to be committed")
	}
	members, client := cluster(t)
	fill(t, client)
	for _, member := range members {
		requireFilled(t, member) // so its log holds it: what was acknowledged is in two of three logs at least
	}
	status, err := client.Status(harness.Context(t), members[0].Endpoint())
	require.NoError(t, err)
	members.Kill()
	for _, member := range members {
		member.SetArgs("--force-new-cluster", "--strict-reconfig-check=false")
		require.NoError(t, member.Start(t.Context()))
		requireFilled(t, member)
		list, err := harness.Client(t, member).MemberList(harness.Context(t))
		require.NoError(t, err)
		require.Len(t, list.Members, 1)
		require.Equal(t, status.Header.ClusterId, list.Header.ClusterId)
		if member != members[2] {
			member.Kill()
		}
	}
	forced := members[2]
	require.NoError(t, os.RemoveAll(members[1].DataDir()))

	var grown harness.Cluster
	grown = append(grown, forced)
	for i := range 2 {
		joined, err := grown.Join(harness.Context(t), harness.Client(t, forced), forced.Binary(), fmt.Sprintf("new%d", i), false)
		if joined != nil {
			watchOver(t, joined)
		}
		require.NoError(t, err)
		requireFilled(t, joined)
		grown = append(grown, joined)
	}
	forced.Kill()
	ctx := harness.Context(t)
	for err = errors.New("not tried"); err != nil; { // while a leader is elected
		require.NoError(t, ctx.Err())
		_, err = harness.Client(t, grown[1]).Put(ctx, "after", "two of three")
	}
	require.NoError(t, forced.Start(t.Context()), "with the flag still set")
	list, err := harness.Client(t, forced).MemberList(harness.Context(t))
	require.NoError(t, err)
	require.Len(t, list.Members, 3)
}

// A member that was there when another was forced, and comes back, is told that it is removed, and ends.
func TestForcedMemberRefusesTheOthers(t *testing.T) {
	if harness.IsPeer() {
		t.Skip("etcd's log says it in other words")
	}
	members, client := cluster(t)
	fill(t, client)
	members.Kill()
	members[0].SetArgs("--force-new-cluster")
	require.NoError(t, members[0].Start(t.Context()))
	require.NoError(t, members[1].Launch())
	code, err := members[1].Wait(endWithin)
	require.NoError(t, err)
	require.Equal(t, 1, code)
	require.Contains(t, members[1].Output(), "was removed from the cluster")
	requireFilled(t, members[0])
}

// A member that lost its data is refused though it can ask nobody whether it has been there: all start at the same time, as
// after a power cut. The others go on with everything that was acknowledged, one of them from before it knew the member.
func TestWipedMemberAfterAPowerCut(t *testing.T) {
	if harness.IsPeer() {
		t.Skip("etcd lets such a member vote")
	}
	members, client := cluster(t)
	fill(t, client)
	wiped := members[2]
	members.Kill()
	require.NoError(t, os.RemoveAll(wiped.DataDir()))
	require.NoError(t, wiped.Launch())
	require.NoError(t, wiped.AwaitOutput(harness.Context(t), "started a new cluster"))
	for _, member := range members[:2] {
		require.NoError(t, member.Launch())
	}
	code, err := wiped.Wait(endWithin)
	require.NoError(t, err)
	require.Equal(t, 1, code)
	require.Contains(t, wiped.Output(), "has already been bootstrapped")
	for _, member := range members[:2] {
		require.NoError(t, member.AwaitReady(t.Context()))
		requireFilled(t, member)
	}
	require.NoError(t, wiped.Launch(), "again, with the directory that it made")
	code, err = wiped.Wait(endWithin)
	require.NoError(t, err)
	require.Equal(t, 1, code)
}
