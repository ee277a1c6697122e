package quorate_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/quoratedb/quorate/services/quorate"
)

// config is one for a store of the test's own, on a free port.
func config(t *testing.T) quorate.Config {
	t.Helper()
	c := quorate.DefaultConfig()
	c.DataDir = filepath.Join(t.TempDir(), "data")
	c.ListenClientURLs = []string{"http://127.0.0.1:0"}
	c.ListenPeerURLs = []string{"http://127.0.0.1:0"}
	c.Log = slog.New(slog.NewTextHandler(t.Output(), nil))
	return c
}

func start(t *testing.T, c quorate.Config) *quorate.Server {
	t.Helper()
	server, err := quorate.Start(t.Context(), c)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Close()) })
	return server
}

// dial connects to a URL, with TLS if roots are given.
func dial(t *testing.T, url string, roots *x509.CertPool) *grpc.ClientConn {
	t.Helper()
	_, address, _ := strings.Cut(url, "://")
	how := insecure.NewCredentials()
	if roots != nil {
		how = credentials.NewTLS(&tls.Config{RootCAs: roots})
	}
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(how))
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	return conn
}

func put(t *testing.T, conn grpc.ClientConnInterface, key, value string) *etcdserverpb.PutResponse {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	answer, err := etcdserverpb.NewKVClient(conn).Put(ctx, &etcdserverpb.PutRequest{Key: []byte(key), Value: []byte(value)})
	require.NoError(t, err)
	return answer
}

func get(t *testing.T, conn grpc.ClientConnInterface, key string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	answer, err := etcdserverpb.NewKVClient(conn).Range(ctx, &etcdserverpb.RangeRequest{Key: []byte(key)})
	require.NoError(t, err)
	require.Len(t, answer.Kvs, 1)
	return string(answer.Kvs[0].Value)
}

// Goal: an embedded store serves, may be closed twice, keeps what was written, and leaves no goroutine behind.
// Method: write, close, start again on the same data, read, and compare the goroutines with those at the beginning.
func TestEmbeddedStore(t *testing.T) {
	before := goleak.IgnoreCurrent()
	c := config(t)
	for round, check := range []func(conn *grpc.ClientConn){
		func(conn *grpc.ClientConn) {
			header := put(t, conn, "a", "1").Header
			require.Equal(t, uint64(0x8e9e05c52164694d), header.MemberId, "as etcd has it without flags")
			require.Equal(t, uint64(0xcdf818194e3a8c32), header.ClusterId)
		},
		func(conn *grpc.ClientConn) { require.Equal(t, "1", get(t, conn, "a")) },
	} {
		server, err := quorate.Start(t.Context(), c)
		require.NoError(t, err, round)
		conn := dial(t, server.ClientURLs()[0], nil)
		check(conn)
		require.NoError(t, conn.Close())
		require.NoError(t, server.Close())
		require.NoError(t, server.Close(), "twice")
		require.NoError(t, server.Wait())
	}
	goleak.VerifyNone(t, before)
}

// Goal: a store that says that it is ready lets NATS clients in. Method: a connection as soon as Start has returned.
func TestReadyIsReadyForNATS(t *testing.T) {
	c := config(t)
	free, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	c.NATS.Listen = free.Addr().String()
	require.NoError(t, free.Close())
	start(t, c)
	conn, err := net.Dial("tcp", c.NATS.Listen)
	require.NoError(t, err)
	require.NoError(t, conn.Close())
}

// Goal: the store advertises where it really listens, and its lease and watch services are wired. Method: ask for the
// member list on port 0, put under a lease, and watch the key go when the lease is revoked.
func TestServicesAreWired(t *testing.T) {
	server := start(t, config(t))
	conn := dial(t, server.ClientURLs()[0], nil)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()

	members, err := etcdserverpb.NewClusterClient(conn).MemberList(ctx, &etcdserverpb.MemberListRequest{})
	require.NoError(t, err)
	require.Len(t, members.Members, 1)
	require.Equal(t, "default", members.Members[0].Name)
	require.Equal(t, server.ClientURLs(), members.Members[0].ClientURLs)

	watch, err := etcdserverpb.NewWatchClient(conn).Watch(ctx)
	require.NoError(t, err)
	require.NoError(t, watch.Send(&etcdserverpb.WatchRequest{RequestUnion: &etcdserverpb.WatchRequest_CreateRequest{
		CreateRequest: &etcdserverpb.WatchCreateRequest{Key: []byte("leased")},
	}}))
	created, err := watch.Recv()
	require.NoError(t, err)
	require.True(t, created.Created)

	leases := etcdserverpb.NewLeaseClient(conn)
	granted, err := leases.LeaseGrant(ctx, &etcdserverpb.LeaseGrantRequest{TTL: 60})
	require.NoError(t, err)
	_, err = etcdserverpb.NewKVClient(conn).Put(ctx, &etcdserverpb.PutRequest{Key: []byte("leased"), Lease: granted.ID})
	require.NoError(t, err)
	_, err = leases.LeaseRevoke(ctx, &etcdserverpb.LeaseRevokeRequest{ID: granted.ID})
	require.NoError(t, err)

	var events []string
	for len(events) < 2 {
		answer, err := watch.Recv()
		require.NoError(t, err)
		for _, event := range answer.Events {
			events = append(events, event.Type.String())
		}
	}
	require.Equal(t, []string{"PUT", "DELETE"}, events)
}

// Goal: TLS with a certificate of the store's own making works on gRPC and HTTP, for clients and metrics, beside plain
// URLs. Method: trust the file it made, then put through gRPC and fetch over HTTP on each URL; plain text on the port
// of an https URL must get nothing.
func TestAutoTLS(t *testing.T) {
	c := config(t)
	c.ListenClientURLs = []string{"https://127.0.0.1:0", "http://127.0.0.1:0"}
	c.ListenMetricsURLs = []string{"http://127.0.0.1:0", "https://127.0.0.1:0"}
	c.ClientAutoTLS = true
	server := start(t, c)
	pem, err := os.ReadFile(filepath.Join(c.DataDir, "fixtures", "client", "cert.pem"))
	require.NoError(t, err)
	roots := x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM(pem))
	put(t, dial(t, server.ClientURLs()[0], roots), "a", "1")
	require.Equal(t, "1", get(t, dial(t, server.ClientURLs()[1], nil), "a"))

	secure := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}
	require.Contains(t, fetch(t, secure, server.ClientURLs()[0]+"/version"), "etcdserver")
	defer secure.CloseIdleConnections()
	require.Contains(t, fetch(t, secure, server.MetricsURLs()[1]+"/health"), "true")
	require.Contains(t, fetch(t, http.DefaultClient, server.MetricsURLs()[0]+"/health"), "true")
	require.Contains(t, fetch(t, http.DefaultClient, server.MetricsURLs()[0]+"/metrics"), "process_start_time_seconds")
	for _, url := range []string{server.ClientURLs()[0], server.MetricsURLs()[1]} {
		answer, err := http.Get(strings.Replace(url, "https", "http", 1) + "/health")
		if err == nil { // net/http tells the client in plain text that TLS is wanted
			require.NoError(t, answer.Body.Close())
			require.Equal(t, http.StatusBadRequest, answer.StatusCode)
		}
	}
}

func fetch(t *testing.T, client *http.Client, url string) string {
	t.Helper()
	answer, err := client.Get(url)
	require.NoError(t, err)
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	return string(body)
}

// Goal: a store that cannot start says which flag to change, and leaves nothing running or changed behind.
// Method: one start for each mistake, then look for goroutines.
func TestStartFails(t *testing.T) {
	before := goleak.IgnoreCurrent()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	foreign := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(foreign, "member", "snap"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(foreign, "member", "snap", "db"), nil, 0o600))

	tests := map[string]struct {
		change func(c *quorate.Config)
		want   []string
	}{
		"wrong setting": {func(c *quorate.Config) { c.MaxTxnOps = 0 }, []string{"--max-txn-ops=0"}},
		"port taken": {
			func(c *quorate.Config) { c.ListenClientURLs = []string{"http://" + taken.Addr().String()} },
			[]string{"--listen-client-urls=http://" + taken.Addr().String(), "another program listens there: stop it or choose another port"},
		},
		"metrics port taken": {
			func(c *quorate.Config) { c.ListenMetricsURLs = []string{"http://" + taken.Addr().String()} },
			[]string{"--listen-metrics-urls="},
		},
		"address of another host": {
			func(c *quorate.Config) { c.ListenClientURLs = []string{"http://192.0.2.1:0"} },
			[]string{"this host does not have that address"},
		},
		"directory is a file": {func(c *quorate.Config) { c.DataDir = file }, []string{"--data-dir=" + file + ": is not a directory"}},
		"directory in a file": {func(c *quorate.Config) { c.DataDir = filepath.Join(file, "data") }, []string{"--data-dir=" + file}},
		"directory of etcd":   {func(c *quorate.Config) { c.DataDir = foreign }, []string{"--data-dir=" + foreign, "quorateutl migrate-from-etcd " + foreign + " --data-dir NEW"}},
		"nothing to join":     {func(c *quorate.Config) { c.InitialClusterState = quorate.ClusterExisting }, []string{"--initial-cluster-state=existing"}},
		"no such certificate": {func(c *quorate.Config) {
			c.ListenClientURLs = []string{"https://127.0.0.1:0"}
			c.ClientTLS.CertFile, c.ClientTLS.KeyFile = file, file
		}, []string{"--cert-file=" + file}},
		"no peer's certificate": {func(c *quorate.Config) { c.PeerTLS.CertFile, c.PeerTLS.KeyFile = file, file }, []string{"--peer-cert-file=" + file}},
		"log in no directory":   {func(c *quorate.Config) { c.Log = nil; c.LogOutputs = []string{filepath.Join(file, "log")} }, []string{"--log-outputs", file}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			c := config(t)
			fresh := c.DataDir
			test.change(&c)
			_, err := quorate.Start(t.Context(), c)
			for _, want := range test.want {
				require.ErrorContains(t, err, want)
			}
			require.NoDirExists(t, fresh)
		})
	}
	goleak.VerifyNone(t, before)
}

// Goal: two stores cannot share a data directory, and the attempt does not hurt the first. Method: start both, then
// write to the first.
func TestDataDirectoryInUse(t *testing.T) {
	c := config(t)
	first := start(t, c)
	_, err := quorate.Start(t.Context(), c)
	require.ErrorContains(t, err, "--data-dir="+c.DataDir)
	put(t, dial(t, first.ClientURLs()[0], nil), "a", "1")
}

// Goal: the end of the context stops the store as Close does, and a context that has ended starts none.
// Method: end it, wait; and start with it.
func TestContextStops(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	c := config(t)
	server, err := quorate.Start(ctx, c)
	require.NoError(t, err)
	because := errors.New("test is over")
	cancel(because)
	<-server.Done()
	require.NoError(t, server.Wait())
	_, err = quorate.Start(ctx, c)
	require.ErrorIs(t, err, because)
}
