package config

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/quoratedb/quorate/pkg/tlsconfig"
)

// Goal: every problem is reported at once, under its flag and with its value. Method: a configuration in which almost
// everything is wrong.
func TestValidateReportsEveryProblem(t *testing.T) {
	c := Default()
	c.Name = ""
	c.ListenClientURLs = []string{"http://example.com:2379", "https://127.0.0.1:1", "ftp://127.0.0.1:2"}
	c.AdvertiseClientURLs = []string{"http://:2379"}
	c.ListenPeerURLs = nil
	c.ListenMetricsURLs = []string{"http://127.0.0.1"}
	c.InitialAdvertisePeerURLs = []string{"http://127.0.0.1:2380/path"}
	c.InitialCluster = "a=http://127.0.0.1:2380,b"
	c.InitialClusterState = "old"
	c.HeartbeatInterval = 0
	c.ElectionTimeout = time.Minute
	c.AutoCompactionRetention = "soon"
	c.MaxRequestBytes = 0
	c.MaxTxnOps = 0
	c.MetricsLevel = "bogus"
	c.MaxConcurrentStreams = 0
	c.GRPCKeepAliveTimeout = -time.Second
	c.WatchProgressNotifyInterval = -time.Second
	c.CORS = []string{"example.com"}
	c.TLSPolicy.MinVersion = "SSL3"
	c.PeerTLS = tlsconfig.Server{CertFile: "p.crt"}
	c.Audit.Level = "all"
	c.LogLevel = "loud"
	c.Logger = "capnslog"
	err := c.Validate()
	for _, want := range []string{
		"--name=: a member needs a name",
		"--listen-client-urls=http://example.com:2379: an IP address or localhost is wanted",
		"--listen-client-urls=ftp://127.0.0.1:2: must begin with http",
		"--advertise-client-urls=http://:2379: names no host",
		"--listen-peer-urls=: at least one URL is needed",
		`--listen-metrics-urls=http://127.0.0.1: does not have the form "http://host:port"`,
		"--initial-advertise-peer-urls=http://127.0.0.1:2380/path: must not have a path",
		`--initial-cluster=a=http://127.0.0.1:2380,b: "b" is not of the form name=http://host:port`,
		`--initial-cluster-state=old: is "new" or "existing"`,
		"--heartbeat-interval=0: must be above zero",
		"--election-timeout=60000: must be at most 50000",
		"--auto-compaction-retention=soon: a duration",
		"--max-request-bytes=0: must be between 1",
		"--max-txn-ops=0: must be above zero",
		`--metrics=bogus: is "basic" or "extensive"`,
		"--max-concurrent-streams=0: must be above zero",
		"--grpc-keepalive-timeout=-1s: must not be negative",
		"--watch-progress-notify-interval=-1s: must not be negative",
		"--cors=example.com: an origin is scheme://host",
		`--audit-level=all: "all" is no level`,
		"--cert-file=: is needed, with --key-file, to serve https://127.0.0.1:1",
		`--peer-cert-file=p.crt: certificate and key are needed, both, and --peer-key-file is ""`,
		`--tls-min-version=SSL3 --tls-max-version= --cipher-suites=: unknown TLS version "SSL3"`,
		`--log-level="loud"`,
		`--logger="capnslog"`,
	} {
		require.ErrorContains(t, err, want)
	}
	require.NoError(t, Default().Validate())
}

// Goal: rules between settings hold. Method: one change to the default for each, with what it must be answered by.
func TestValidateRelations(t *testing.T) {
	tests := map[string]struct {
		change func(c *Config)
		want   string // empty: valid
	}{
		"election too near heartbeat": {func(c *Config) { c.HeartbeatInterval = 300 * time.Millisecond }, "--election-timeout=1000: must be at least 5 times --heartbeat-interval=300"},
		"listens everywhere":          {func(c *Config) { c.ListenClientURLs = []string{"http://0.0.0.0:2379"} }, "--advertise-client-urls=: is needed"},
		"listens everywhere, told": {func(c *Config) {
			c.ListenClientURLs = []string{"http://[::]:2379"}
			c.AdvertiseClientURLs = []string{"http://a:2379"}
		}, ""},
		"TLS without https":          {func(c *Config) { c.ClientAutoTLS = true }, "--listen-client-urls=http://localhost:2379: TLS is set up but no URL uses it"},
		"https with own certificate": {func(c *Config) { c.ClientAutoTLS = true; c.ListenClientURLs = []string{"https://localhost:2379"} }, ""},
		"own certificate of members, and authorities": {func(c *Config) {
			c.PeerAutoTLS = true
			c.PeerTLS.TrustedCAFile = "ca.crt"
		}, "--peer-auto-tls=true: members show each other certificates then that nobody vouches for"},
		"own certificate for no time": {func(c *Config) { c.PeerAutoTLS = true; c.SelfSignedCertValidity = 0 }, "--self-signed-cert-validity=0"},
		"http and https on one port": {func(c *Config) {
			c.ListenClientURLs = []string{"http://localhost:1", "https://localhost:1"}
			c.ClientAutoTLS = true
		}, ""},
		"http and https on one port, of two flags": {func(c *Config) {
			c.ListenClientURLs, c.ListenClientHTTPURLs = []string{"http://localhost:1"}, []string{"https://localhost:1"}
			c.ClientAutoTLS = true
		}, "--listen-client-http-urls=https://localhost:1: its address is taken by --listen-client-urls=http://localhost:1"},
		"http and https on one port, of members": {func(c *Config) {
			c.ListenPeerURLs = []string{"http://localhost:1", "https://localhost:1"}
			c.PeerAutoTLS = true
		}, "--listen-peer-urls=https://localhost:1: its address is taken by --listen-peer-urls=http://localhost:1"},
		"sockets":               {func(c *Config) { c.ListenClientURLs = []string{"unix://localhost:1", "unix:///tmp/q.sock"} }, ""},
		"name alone":            {func(c *Config) { c.Name = "a" }, ""},
		"name not in cluster":   {func(c *Config) { c.Name = "a"; c.InitialCluster = "b=http://localhost:2380" }, "--initial-cluster=b=http://localhost:2380: does not hold --name=a"},
		"other URLs in cluster": {func(c *Config) { c.InitialCluster = "default=http://localhost:7" }, "has http://localhost:7 for this member, but --initial-advertise-peer-urls=http://localhost:2380"},
		"same URL twice":        {func(c *Config) { c.InitialCluster = "default=http://localhost:2380,a=http://localhost:2380" }, "http://localhost:2380 is given twice"},
		"other name in cluster": {func(c *Config) { c.InitialCluster = "default=http://a.example:2380" }, ""}, // it is looked up later
		"list and domain": {
			func(c *Config) { c.InitialCluster = "default=http://localhost:2380"; c.DiscoverySRV = "example" },
			`multiple discovery or bootstrap flags are set. Choose one of "initial-cluster", "discovery-endpoints" or "discovery-srv"`,
		},
		"domain and endpoints": {func(c *Config) {
			c.Discovery.Endpoints = []string{"a:1"}
			c.Discovery.Token = "t"
			c.DiscoverySRV = "example"
		}, "multiple discovery or bootstrap flags"},
		"endpoints without a token": {func(c *Config) { c.Discovery.Endpoints = []string{"a:1"} }, "both --discovery-token and --discovery-endpoints must be set"},
		"token without endpoints":   {func(c *Config) { c.Discovery.Token = "t" }, "both --discovery-token and --discovery-endpoints must be set"},
		"empty endpoint":            {func(c *Config) { c.Discovery.Endpoints = []string{"a:1", ""}; c.Discovery.Token = "t" }, "--discovery-endpoints must not contain empty endpoints"},
		"certificate without a key": {func(c *Config) { c.Discovery.CertFile = "d.crt" }, "--discovery-cert=d.crt: is needed with --discovery-key=, both or neither"},
		"user without a password":   {func(c *Config) { c.Discovery.User = "u" }, "--discovery-user=u: needs --discovery-password"},
		"no time for a request":     {func(c *Config) { c.Discovery = Discovery{Endpoints: []string{"a:1"}, Token: "t"} }, "--discovery-request-timeout=0s: must be above zero"},
		"service without a domain":  {func(c *Config) { c.DiscoverySRVName = "blue" }, "--discovery-srv-name=blue: has no effect without --discovery-srv"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			c := Default()
			test.change(&c)
			err := c.Validate()
			if test.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, test.want)
		})
	}
}

// Goal: a member whose peer URL was changed (etcdctl member update) starts at the new one, though --initial-cluster still says the old one, as
// with etcd. Method: a directory that holds a member, and flags that contradict each other.
func TestInitialClusterIsForTheFirstStart(t *testing.T) {
	c := Default()
	c.DataDir = t.TempDir()
	c.InitialCluster = "default=http://localhost:7,b=http://b:2380"
	require.ErrorContains(t, c.Validate(), "has http://localhost:7 for this member")
	require.NoError(t, os.Mkdir(filepath.Join(c.DataDir, "member"), 0o700))
	require.NoError(t, c.Validate())
}
