package proxy

import (
	"crypto/tls"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/quoratedb/quorate/tests/harness"
)

// Goal: the proxy speaks TLS with members and with clients, each by its own files, for v2 too. Method: a member and a proxy with certificates that they
// make for themselves.
func TestTLS(t *testing.T) {
	t.Parallel()
	binary, err := harness.Binary()
	require.NoError(t, err)
	server := harness.New(harness.Config{Binary: binary, DataDir: t.TempDir()})
	server.SetArgs("--auto-tls", "--listen-client-urls=https://"+server.Endpoint(), "--advertise-client-urls=https://"+server.Endpoint())
	require.NoError(t, server.Start(harness.Context(t)))
	t.Cleanup(server.Kill)
	authority := filepath.Join(server.DataDir(), "fixtures", "client", "cert.pem")
	_, err = os.Stat(authority)
	require.NoError(t, err)
	p := harness.Proxy(t, "https://"+server.Endpoint(), "--cacert="+authority, "--auto-tls", "--data-dir="+t.TempDir())
	client, err := harness.DialTLS(&tls.Config{InsecureSkipVerify: true}, "https://"+p.Endpoint())
	require.NoError(t, err)
	defer client.Close()
	_, err = client.Put(short(t), "tls", "1")
	require.NoError(t, err)
}

// Goal: proxies that share a prefix know each other, and the member list tells clients of them. Method: two, and the list of one; then one leaves.
func TestProxiesKnowEachOther(t *testing.T) {
	t.Parallel()
	server := harness.Run(t)
	var urls []string
	var proxies []*harness.Server
	for range 2 {
		p := harness.Proxy(t, server.Endpoint(), "--resolver-prefix=proxies", "--resolver-ttl=3", "--advertise-client-url=http://proxy-"+string(rune('a'+len(proxies))))
		proxies, urls = append(proxies, p), append(urls, "http://proxy-"+string(rune('a'+len(urls))))
	}
	client := harness.Client(t, proxies[0])
	told := func() []string {
		members, err := client.MemberList(short(t))
		require.NoError(t, err)
		require.Len(t, members.Members, 1)
		return members.Members[0].ClientURLs
	}
	direct := harness.Client(t, server)
	ids, err := direct.MemberList(short(t))
	require.NoError(t, err)
	require.Equal(t, "one", ids.Members[0].Name)
	var both []string
	require.Eventually(t, func() bool { both = told(); return len(both) == 2 }, patience, step)
	require.ElementsMatch(t, urls, both)
	proxies[1].Kill()
	require.Eventually(t, func() bool { return len(told()) == 1 }, patience, step)
}

// Goal: a proxy follows the member list. Method: one that knows one of three members, which then is stopped.
func TestMemberListIsFollowed(t *testing.T) {
	t.Parallel()
	binary, err := harness.Binary()
	require.NoError(t, err)
	cluster := harness.NewCluster(harness.Config{Binary: binary, DataDir: t.TempDir()}, 3)
	require.NoError(t, cluster.Start(harness.Context(t)))
	t.Cleanup(cluster.Kill)
	p := harness.Proxy(t, cluster[0].Endpoint(), "--endpoints-auto-sync-interval=50ms")
	client := harness.Client(t, p)
	_, err = client.Put(short(t), "a", "1")
	require.NoError(t, err)
	for _, member := range cluster[1:] {
		require.NoError(t, p.AwaitOutput(short(t), `"an endpoint is followed","endpoint":"`+member.URL()))
	}
	watch := client.Watch(harness.Context(t), "a")
	cluster[0].Kill()
	require.Eventually(t, func() bool {
		_, err := client.Put(short(t), "a", "2")
		return err == nil
	}, patience, step)
	require.NotEmpty(t, (<-watch).Events)
}
