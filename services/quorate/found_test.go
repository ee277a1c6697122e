package quorate_test

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/api/v3/etcdserverpb"

	"github.com/quoratedb/quorate/services/quorate"
)

// hosts returns addresses of this machine that no other test listens on: the whole of 127.0.0.0/8 is its own.
func hosts(n int) []string {
	made := make([]string, n)
	for i := range made {
		made[i] = fmt.Sprintf("127.%d.%d.%d", 1+rand.IntN(254), rand.IntN(256), 1+rand.IntN(254))
	}
	return made
}

// memberConfig is one for a member that lives on a host of its own.
func memberConfig(t *testing.T, name, host string) quorate.Config {
	t.Helper()
	c := quorate.DefaultConfig()
	c.Name, c.DataDir = name, filepath.Join(t.TempDir(), "data")
	c.ListenClientURLs = []string{"http://" + host + ":2379"}
	c.ListenPeerURLs = []string{"http://" + host + ":2380"}
	c.InitialAdvertisePeerURLs = c.ListenPeerURLs
	c.Log = slog.New(slog.NewTextHandler(t.Output(), nil)).With("name", name)
	return c
}

// startAll starts members that need each other to come up.
func startAll(t *testing.T, configs []quorate.Config) []*quorate.Server {
	t.Helper()
	servers, errs := make([]*quorate.Server, len(configs)), make([]error, len(configs))
	var starting sync.WaitGroup
	for i := range configs {
		starting.Go(func() { servers[i], errs[i] = quorate.Start(t.Context(), configs[i]) })
	}
	starting.Wait()
	for i, server := range servers {
		require.NoError(t, errs[i])
		t.Cleanup(func() { require.NoError(t, server.Close()) })
	}
	return servers
}

func static(t *testing.T, n int) []quorate.Config {
	t.Helper()
	var configs []quorate.Config
	var list []string
	for i, host := range hosts(n) {
		configs = append(configs, memberConfig(t, fmt.Sprintf("m%d", i), host))
		list = append(list, fmt.Sprintf("m%d=http://%s:2380", i, host))
	}
	for i := range configs {
		configs[i].StrictReconfigCheck = false // it wants members to have been up for a while
		configs[i].InitialCluster = strings.Join(list, ",")
	}
	return configs
}

// Goal: a member that lost its data does not come back as if nothing had happened, whatever its cluster is said to be;
// its mistake leaves no directory behind, and what the error advises works. Method: wipe one of three, start it again
// in each way, then remove it, add it and start it.
func TestWipedMemberIsRefused(t *testing.T) {
	configs := static(t, 3)
	servers := startAll(t, configs)
	conn := dial(t, servers[0].ClientURLs()[0], nil)
	put(t, conn, "a", "1")
	id := put(t, dial(t, servers[2].ClientURLs()[0], nil), "b", "2").Header.MemberId
	require.NoError(t, servers[2].Close())
	wiped := configs[2]
	require.NoError(t, os.RemoveAll(wiped.DataDir))

	for _, state := range []string{quorate.ClusterNew, quorate.ClusterExisting} {
		wiped.InitialClusterState = state
		_, err := quorate.Start(t.Context(), wiped)
		require.ErrorIs(t, err, quorate.ErrBootstrapped, state)
		require.ErrorContains(t, err, fmt.Sprintf("member %x has already been bootstrapped", id), state)
		require.ErrorContains(t, err, fmt.Sprintf("etcdctl member remove %x", id), state)
		require.NoDirExists(t, wiped.DataDir, state)
	}

	members := etcdserverpb.NewClusterClient(conn)
	_, err := members.MemberRemove(t.Context(), &etcdserverpb.MemberRemoveRequest{ID: id})
	require.NoError(t, err)
	added, err := members.MemberAdd(t.Context(), &etcdserverpb.MemberAddRequest{PeerURLs: wiped.InitialAdvertisePeerURLs})
	require.NoError(t, err)
	back := start(t, wiped)
	require.Equal(t, "2", get(t, dial(t, back.ClientURLs()[0], nil), "b"))
	require.Equal(t, added.Member.ID, put(t, dial(t, back.ClientURLs()[0], nil), "c", "3").Header.MemberId)
}
