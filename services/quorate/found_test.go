package quorate_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/api/v3/etcdserverpb"

	"github.com/quoratedb/quorate/pkg/identity"
	"github.com/quoratedb/quorate/services/quorate"
	"github.com/quoratedb/quorate/services/quorate/internal/dns/dnstest"
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

// discovering is a member that meets the others at the registry.
func discovering(t *testing.T, name string, registry *quorate.Server, token string) quorate.Config {
	t.Helper()
	c := memberConfig(t, name, hosts(1)[0])
	c.Discovery.Token = token
	_, endpoint, _ := strings.Cut(registry.ClientURLs()[0], "://")
	c.Discovery.Endpoints = []string{endpoint}
	return c
}

// Goal: members that know nothing but a token form a cluster of the size that the token has, once; who comes too late is
// told so, and whoever has data asks nobody. Method: a store as the registry and three members, a fourth, and a restart
// without the registry.
func TestDiscovery(t *testing.T) {
	registry := start(t, config(t))
	conn := dial(t, registry.ClientURLs()[0], nil)
	put(t, conn, "/_etcd/registry/tok/_config/size", "3")
	put(t, conn, "/_etcd/registry/tok/members-of-others", "not a registration")
	var configs []quorate.Config
	for i := range 3 {
		configs = append(configs, discovering(t, fmt.Sprintf("m%d", i), registry, "tok"))
	}
	servers := startAll(t, configs)
	members, err := etcdserverpb.NewClusterClient(dial(t, servers[0].ClientURLs()[0], nil)).MemberList(t.Context(), &etcdserverpb.MemberListRequest{Linearizable: true})
	require.NoError(t, err)
	require.Len(t, members.Members, 3)
	header := put(t, dial(t, servers[0].ClientURLs()[0], nil), "a", "1").Header
	require.Equal(t, identity.MemberID(configs[0].InitialAdvertisePeerURLs, "tok"), header.MemberId, "as etcd has it")
	require.Equal(t, "m0="+configs[0].InitialAdvertisePeerURLs[0], get(t, conn, fmt.Sprintf("/_etcd/registry/tok/members/%x", header.MemberId)))

	late := discovering(t, "late", registry, "tok")
	_, err = quorate.Start(t.Context(), late)
	require.ErrorContains(t, err, "failed to join discovery cluster (discovery: cluster is full)")
	require.NoDirExists(t, late.DataDir)

	require.NoError(t, registry.Close())
	require.NoError(t, servers[2].Close())
	require.Equal(t, "1", get(t, dial(t, start(t, configs[2]).ClientURLs()[0], nil), "a"))
}

// Goal: a meeting that cannot come about says why. Method: a store as the registry, with each mistake.
func TestDiscoveryFails(t *testing.T) {
	registry := start(t, config(t))
	conn := dial(t, registry.ClientURLs()[0], nil)
	put(t, conn, "/_etcd/registry/bad/_config/size", "many")
	put(t, conn, "/_etcd/registry/none/_config/size", "0")
	for token, of := range map[string]map[string]string{
		"names":  {"1": "m=http://127.0.0.1:1"},
		"urls":   {"1": "x=http://127.0.0.1:1,x=http://127.0.0.1:2", "2": "y=http://127.0.0.1:1"},
		"parsed": {"1": "x=nonsense"},
	} {
		put(t, conn, "/_etcd/registry/"+token+"/_config/size", fmt.Sprint(len(of)+1))
		for id, value := range of {
			put(t, conn, "/_etcd/registry/"+token+"/members/"+id, value)
		}
	}
	for token, want := range map[string]string{
		"unknown": "discovery: size key not found",
		"bad":     "discovery: size key is bad",
		"none":    "discovery: size key is bad",
		"names":   `two members are registered under the name "m"`,
		"urls":    "has duplicate url",
		"parsed":  "discovery: invalid peer URL",
	} {
		c := discovering(t, "m", registry, token)
		_, err := quorate.Start(t.Context(), c)
		require.ErrorContains(t, err, "failed to join discovery cluster (", token)
		require.ErrorContains(t, err, want, token)
		require.NoDirExists(t, c.DataDir, token)
	}
	joining := discovering(t, "m", registry, "unknown")
	joining.InitialClusterState = quorate.ClusterExisting
	_, err := quorate.Start(t.Context(), joining)
	require.ErrorContains(t, err, "discovery URL should not be set when joining existing initial cluster")
}

// Goal: a member waits for a registry that is not there, and stops waiting when it is told to. Method: a member whose
// registry is down, stopped; then again, and the registry comes.
func TestDiscoveryWaits(t *testing.T) {
	later := config(t)
	later.ListenClientURLs = []string{"http://" + hosts(1)[0] + ":2379"}
	before := start(t, later)
	put(t, dial(t, before.ClientURLs()[0], nil), "/_etcd/registry/tok/_config/size", "1")
	require.NoError(t, before.Close())
	logged := make(chan struct{}, 100)
	waiting := memberConfig(t, "m", hosts(1)[0])
	waiting.Discovery.Token, waiting.Discovery.RequestTimeout = "tok", 200*time.Millisecond
	waiting.Discovery.Endpoints = []string{strings.TrimPrefix(later.ListenClientURLs[0], "http://")}
	waiting.Log = slog.New(slog.NewTextHandler(writerFunc(func(line []byte) {
		if strings.Contains(string(line), "a discovery endpoint does not answer") {
			select {
			case logged <- struct{}{}:
			default:
			}
		}
	}), nil))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := quorate.Start(ctx, waiting)
		ended <- err
	}()
	<-logged
	cancel()
	require.ErrorIs(t, <-ended, context.Canceled)
	require.NoDirExists(t, waiting.DataDir)

	started := make(chan *quorate.Server, 1)
	go func() {
		server, err := quorate.Start(t.Context(), waiting)
		assert.NoError(t, err)
		started <- server
	}()
	<-logged
	start(t, later)
	if server := <-started; server != nil {
		require.NoError(t, server.Close())
	}
}

type writerFunc func([]byte)

func (f writerFunc) Write(p []byte) (int, error) { f(p); return len(p), nil }

// Goal: members that know nothing but a domain form a cluster, of the ids that their records give, and a wiped one is
// refused. Method: three members and a DNS server on loopback.
func TestDiscoveryBySRV(t *testing.T) {
	var configs []quorate.Config
	zone := dnstest.Zone{Services: map[string][]string{}}
	const service = "_etcd-server-blue._tcp.example.test"
	var ids []uint64
	for i := range 3 {
		free, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		require.NoError(t, free.Close())
		_, port, _ := strings.Cut(free.Addr().String(), ":")
		zone.Services[service] = append(zone.Services[service], "localhost:"+port)
		ids = append(ids, identity.MemberID([]string{"http://localhost:" + port}, "etcd-cluster"))
		c := memberConfig(t, fmt.Sprintf("m%d", i), hosts(1)[0])
		c.ListenPeerURLs = []string{"http://" + free.Addr().String()}
		c.InitialAdvertisePeerURLs = c.ListenPeerURLs
		c.DiscoverySRV, c.DiscoverySRVName = "example.test", "blue"
		configs = append(configs, c)
	}
	for i := range configs {
		configs[i].Resolver = zone.Serve(t)
	}
	servers := startAll(t, configs)
	answer := put(t, dial(t, servers[1].ClientURLs()[0], nil), "a", "1")
	require.Equal(t, ids[1], answer.Header.MemberId)
	require.Equal(t, identity.ClusterID(ids), answer.Header.ClusterId)
	members, err := etcdserverpb.NewClusterClient(dial(t, servers[0].ClientURLs()[0], nil)).MemberList(t.Context(), &etcdserverpb.MemberListRequest{Linearizable: true})
	require.NoError(t, err)
	for _, member := range members.Members {
		i := slices.Index(ids, member.ID)
		require.Equal(t, configs[i].Name, member.Name)
	}

	require.NoError(t, servers[2].Close())
	require.NoError(t, os.RemoveAll(configs[2].DataDir))
	_, err = quorate.Start(t.Context(), configs[2])
	require.ErrorIs(t, err, quorate.ErrBootstrapped)
	configs[2].DiscoverySRVName = "green"
	_, err = quorate.Start(t.Context(), configs[2])
	require.ErrorContains(t, err, "--discovery-srv=example.test: error querying DNS SRV records for _etcd-server-ssl-green")
}
