package commandline

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/quoratedb/quorate/pkg/flagset"
	"github.com/quoratedb/quorate/services/quorate/config"
)

// Goal: what starts etcd starts this program. Method: give every flag that etcd has, one at a time, its own default,
// with one dash and with two.
func TestEveryFlagOfEtcdIsKnown(t *testing.T) {
	list, err := os.ReadFile("testdata/etcd-flags.tsv")
	require.NoError(t, err)
	count := 0
	for line := range strings.Lines(string(list)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		name, quoted, _ := strings.Cut(strings.TrimSpace(line), "\t")
		value, err := strconv.Unquote(quoted)
		require.NoError(t, err, line)
		for _, dashes := range []string{"-", "--"} {
			_, err = Parse([]string{dashes + name + "=" + value}, nil)
			require.NoError(t, err, line)
		}
		count++
	}
	require.Greater(t, count, 100)
}

// Goal: unsupported flags are warned of or refused as their table says. Method: set each to something else than a default.
func TestForeignFlagsWarnOrRefuse(t *testing.T) {
	values := map[kind]string{text: "x", boolean: "true", number: "7", duration: "7s"}
	for _, row := range unsupportedTable {
		value := values[row.kind]
		if row.oneOf != nil {
			value = row.oneOf[0]
		}
		invocation, err := Parse([]string{"--" + row.name + "=" + value}, nil)
		if row.harmless != nil {
			require.ErrorContains(t, err, "--"+row.name, row.name)
			require.ErrorContains(t, err, row.reason, row.name)
			continue
		}
		require.NoError(t, err, row.name)
		require.Equal(t, []string{"--" + row.name + " has no effect: " + row.reason}, invocation.Warnings)
	}
	for _, wrong := range []string{"--max-wals=many", "--memory-mlock=perhaps", "--raft-read-timeout=5", "--v2-deprecation=not-yet"} {
		_, err := Parse([]string{wrong}, nil)
		require.ErrorIs(t, err, ErrUsage, wrong)
	}
}

// Goal: command lines in use elsewhere are understood. Method: those of etcd's systemd unit, of its end-to-end tests
// and of kubeadm, shortened, with the setting that each must arrive at.
func TestCommandLinesInUse(t *testing.T) {
	dir := t.TempDir()
	tests := map[string]struct {
		args, environ []string
		check         func(t *testing.T, c config.Config)
		warnings      []string
	}{
		"systemd": {
			environ: []string{"ETCD_DATA_DIR=/var/lib/etcd", "ETCD_NAME=host1", "ETCD_UNSUPPORTED_ARCH=arm"},
			check: func(t *testing.T, c config.Config) {
				require.Equal(t, "/var/lib/etcd", c.DataDir)
				require.Equal(t, "host1", c.Name)
			},
		},
		"end-to-end tests": {
			args: []string{
				"--name=TestX-test-0", "--listen-client-urls=http://localhost:20000", "--advertise-client-urls=http://localhost:20000",
				"--listen-peer-urls=http://localhost:20001", "--initial-advertise-peer-urls=http://localhost:20001",
				"--initial-cluster-token=new", "--data-dir=" + dir, "--snapshot-count=10000", "--quota-backend-bytes=131072",
				"--peer-auto-tls", "--initial-cluster=TestX-test-0=http://localhost:20001", "--initial-cluster-state=new",
				"--watch-progress-notify-interval=100ms", "--feature-gates=InitialCorruptCheck=true", "--compaction-batch-limit=10",
			},
			check: func(t *testing.T, c config.Config) {
				require.Equal(t, []string{"http://localhost:20000"}, c.AdvertiseClientURLs)
				require.Equal(t, int64(131072), c.QuotaBackendBytes)
				require.Equal(t, 100*time.Millisecond, c.WatchProgressNotifyInterval)
				require.True(t, c.PeerAutoTLS)
				require.True(t, c.InitialCorruptCheck)
				require.Equal(t, 12*time.Hour, c.CorruptCheckTime)
			},
			warnings: []string{"--compaction-batch-limit"},
		},
		"kubeadm": {
			args: []string{
				"--advertise-client-urls=https://10.0.0.5:2379", "--cert-file=s.crt", "--client-cert-auth=true",
				"--data-dir=" + dir, "--experimental-initial-corrupt-check=true", "--experimental-watch-progress-notify-interval=5s",
				"--initial-advertise-peer-urls=https://10.0.0.5:2380", "--initial-cluster=n1=https://10.0.0.5:2380", "--key-file=s.key",
				"--listen-client-urls=https://127.0.0.1:2379,https://10.0.0.5:2379", "--listen-metrics-urls=http://127.0.0.1:2381",
				"--listen-peer-urls=https://10.0.0.5:2380", "--name=n1", "--peer-cert-file=p.crt", "--peer-client-cert-auth=true",
				"--peer-key-file=p.key", "--peer-trusted-ca-file=ca.crt", "--snapshot-count=10000", "--trusted-ca-file=ca.crt",
			},
			check: func(t *testing.T, c config.Config) {
				require.Equal(t, 5*time.Second, c.WatchProgressNotifyInterval)
				require.Equal(t, "ca.crt", c.ClientTLS.TrustedCAFile)
				require.Equal(t, "p.crt", c.PeerTLS.CertFile)
				require.Len(t, c.ListenClientURLs, 2)
			},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			invocation, err := Parse(test.args, test.environ)
			require.NoError(t, err)
			test.check(t, invocation.Config)
			require.Len(t, invocation.Warnings, len(test.warnings))
			for i, want := range test.warnings {
				require.Contains(t, invocation.Warnings[i], want)
			}
		})
	}
}

func writeFile(t *testing.T, content string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "conf.yml")
	require.NoError(t, os.WriteFile(file, []byte(content), 0o600))
	return file
}

// Goal: precedence is as documented. Method: say the name in each place, alone and together.
func TestPrecedence(t *testing.T) {
	file := writeFile(t, "name: file\n")
	tests := map[string]struct {
		args, environ []string
		name, err     string
		warnings      []string
	}{
		"nothing":           {name: "default"},
		"flag":              {args: []string{"-name", "flag"}, name: "flag"},
		"ETCD":              {environ: []string{"ETCD_NAME=etcd"}, name: "etcd"},
		"QUORATE over ETCD": {environ: []string{"ETCD_NAME=etcd", "QUORATE_NAME=quorate"}, name: "quorate", warnings: []string{"ETCD_NAME has no effect"}},
		"flag and variable": {args: []string{"--name=flag"}, environ: []string{"ETCD_NAME=etcd"}, err: "ETCD_NAME is set, and --name too"},
		"file over all": {
			args: []string{"--name=flag", "--config-file", file}, environ: []string{"ETCD_NAME=etcd", "QUORATE_MAX_TXN_OPS=7"}, name: "file",
			warnings: []string{"--name has no effect", "QUORATE_MAX_TXN_OPS has no effect", "ETCD_NAME has no effect"},
		},
		"file by variable":    {environ: []string{"ETCD_CONFIG_FILE=" + file}, name: "file"},
		"file by QUORATE":     {environ: []string{"ETCD_CONFIG_FILE=absent", "QUORATE_CONFIG_FILE=" + file}, name: "file"},
		"unknown variables":   {environ: []string{"ETCD_NAMES=x", "QUORATE_PORT=tcp://10.0.0.1:2379", "ETCDCTL_API=3"}, name: "default", warnings: []string{"ETCD_NAMES is unknown", "QUORATE_PORT is unknown"}},
		"version of image":    {environ: []string{"ETCD_VERSION=3.5.1"}, name: "default", warnings: []string{"ETCD_VERSION has no effect"}},
		"default of an image": {environ: []string{"QUORATE_DEFAULT_NAME=image"}, name: "image"},
		"flag over a default": {args: []string{"--name=flag"}, environ: []string{"QUORATE_DEFAULT_NAME=image"}, name: "flag"},
		"ETCD over a default": {environ: []string{"QUORATE_DEFAULT_NAME=image", "ETCD_NAME=etcd"}, name: "etcd"},
		"file over a default": {args: []string{"--config-file", file}, environ: []string{"QUORATE_DEFAULT_NAME=image"}, name: "file"},
		"unknown default":     {environ: []string{"QUORATE_DEFAULT_NAMES=image"}, name: "default", warnings: []string{"QUORATE_DEFAULT_NAMES is unknown"}},
		"wrong default":       {environ: []string{"QUORATE_DEFAULT_HEARTBEAT_INTERVAL=soon"}, err: `invalid value "soon" for QUORATE_DEFAULT_HEARTBEAT_INTERVAL`},
		"wrong variable":      {environ: []string{"ETCD_HEARTBEAT_INTERVAL=soon"}, err: `invalid value "soon" for ETCD_HEARTBEAT_INTERVAL`},
		"endless file":        {args: []string{"--config-file=/dev/zero"}, err: "--config-file: /dev/zero has more than 1048576 bytes, which no such file has"},
		"no such file":        {args: []string{"--config-file=absent"}, err: "--config-file: open absent"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			invocation, err := Parse(test.args, test.environ)
			if test.err != "" {
				require.ErrorContains(t, err, test.err)
				require.NotErrorIs(t, err, ErrUsage)
				return
			}
			require.NoError(t, err)
			require.Equal(t, test.name, invocation.Config.Name)
			require.Len(t, invocation.Warnings, len(test.warnings), invocation.Warnings)
			for i, want := range test.warnings {
				require.Contains(t, invocation.Warnings[i], want)
			}
		})
	}
}

// Goal: a file for etcd is understood whole. Method: one with the keys of etcd's sample, set to something.
func TestFileOfEtcd(t *testing.T) {
	file := writeFile(t, `
name: m1
data-dir: /var/lib/q
wal-dir:
snapshot-count: 5000
heartbeat-interval: 50
election-timeout: 500
quota-backend-bytes: 8.589934592e+09
listen-peer-urls: https://127.0.0.1:2380
listen-client-urls: https://127.0.0.1:2379,https://127.0.0.1:4001
max-snapshots: 5
cors:
initial-advertise-peer-urls: https://127.0.0.1:2380
advertise-client-urls: https://127.0.0.1:2379
discovery:
discovery-fallback: 'proxy'
initial-cluster: m1=https://127.0.0.1:2380
initial-cluster-token: 'tok'
initial-cluster-state: 'new'
strict-reconfig-check: false
proxy: 'off'
proxy-failure-wait: 5000
client-transport-security:
  cert-file: s.crt
  key-file: s.key
  client-cert-auth: true
  trusted-ca-file: ca.crt
  auto-tls: false
  skip-client-san-verification: true
peer-transport-security: {cert-file: p.crt, key-file: p.key, client-cert-auth: true, trusted-ca-file: ca.crt, allowed-hostname: [a, b], skip-client-san-verification: true}
self-signed-cert-validity: 1
log-level: debug
logger: zap
log-outputs: [stderr]
auto-compaction-mode: periodic
auto-compaction-retention: "1"
watch-progress-notify-interval: 60000000000
corrupt-check-time: 60000000000
cipher-suites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384]
tls-min-version: 'TLS1.2'
tls-max-version: 'TLS1.3'
`)
	invocation, err := Parse([]string{"--config-file", file}, nil)
	require.NoError(t, err)
	c := invocation.Config
	require.Equal(t, 500*time.Millisecond, c.ElectionTimeout)
	require.Equal(t, int64(8<<30), c.QuotaBackendBytes)
	require.Equal(t, []string{"https://127.0.0.1:2379", "https://127.0.0.1:4001"}, c.ListenClientURLs)
	require.Equal(t, "s.crt", c.ClientTLS.CertFile)
	require.True(t, c.ClientTLS.ClientCertAuth)
	require.Equal(t, []string{"a", "b"}, c.PeerTLS.AllowedHostnames)
	require.Equal(t, time.Minute, c.WatchProgressNotifyInterval)
	require.Equal(t, time.Minute, c.CorruptCheckTime)
	require.Len(t, c.TLSPolicy.CipherSuites, 2)
	require.Equal(t, []string{"*"}, c.CORS)

	_, err = Parse([]string{"--config-file", writeFile(t, "nosuch: 1\npeer-transport-security: {auto: true}\nheartbeat-interval: 0\n")}, nil)
	require.ErrorContains(t, err, `line 1: unknown key "nosuch"`)
	require.ErrorContains(t, err, `line 2: unknown key "auto" in peer-transport-security`)
	require.ErrorContains(t, err, "--heartbeat-interval=0: must be above zero")

	_, err = Parse([]string{"--config-file", writeFile(t, "grpc-keepalive-timeout: \"5\"\nquota-backend-bytes: 8GB\n")}, nil)
	require.ErrorContains(t, err, `line 1: invalid value "5" for grpc-keepalive-timeout: a duration such as 10m or 1h30m is wanted`)
	require.ErrorContains(t, err, `line 2: invalid value "8GB" for quota-backend-bytes: a whole number is wanted`)
	_, err = Parse([]string{"--grpc-keepalive-timeout=5"}, nil)
	require.ErrorContains(t, err, `invalid value "5" for flag -grpc-keepalive-timeout: a duration such as 10m or 1h30m is wanted`)
}

// Goal: discovery is configured as in etcd, by flags and in its nested form in a file. Method: the same settings by both.
func TestDiscoverySettings(t *testing.T) {
	want := config.Default().Discovery
	want.Endpoints, want.Token = []string{"a:1", "b:2"}, "tok"
	want.RequestTimeout, want.CAFile, want.InsecureTransport = 7*time.Second, "ca.crt", false
	want.User, want.Password = "u", "p"
	file := writeFile(t, `
discovery-config:
  token: tok
  client:
    endpoints: [a:1, b:2]
    request-timeout: 7000000000
    secure: {cacert: ca.crt, insecure-transport: false}
    auth:
      username: u
      password: p
`)
	for _, args := range [][]string{{
		"--discovery-endpoints=a:1,b:2", "--discovery-token=tok", "--discovery-request-timeout=7s", "--discovery-cacert=ca.crt",
		"--discovery-insecure-transport=false", "--discovery-user=u", "--discovery-password=p",
	}, {"--config-file=" + file}} {
		invocation, err := Parse(args, nil)
		require.NoError(t, err)
		require.Equal(t, want, invocation.Config.Discovery)
		require.Empty(t, invocation.Warnings)
	}
	_, err := Parse([]string{"--config-file", writeFile(t, "discovery-config: {client: {secure: {nosuch: 1}}}")}, nil)
	require.ErrorContains(t, err, `unknown key "client.secure.nosuch" in discovery-config`)
	_, err = Parse([]string{"--discovery=http://x"}, nil)
	require.ErrorContains(t, err, "--discovery=http://x cannot be honoured: discovery by etcd's v2 API is gone in etcd too")
}

// Goal: what cannot be read is told from what cannot be used. Method: one of each, and the questions that start nothing.
func TestUsage(t *testing.T) {
	_, err := Parse([]string{"--nosuch"}, nil)
	require.ErrorIs(t, err, ErrUsage)
	require.ErrorContains(t, err, "nosuch")
	_, err = Parse([]string{"--heartbeat-interval=soon"}, nil)
	require.ErrorIs(t, err, ErrUsage)
	_, err = Parse([]string{"--initial-cluster-state=old"}, nil)
	require.ErrorIs(t, err, ErrUsage)
	_, err = Parse([]string{"gateway"}, nil)
	require.NotErrorIs(t, err, ErrUsage)
	require.ErrorContains(t, err, `"gateway"`)

	for _, help := range []string{"-h", "--help"} {
		invocation, err := Parse([]string{help}, nil)
		require.NoError(t, err)
		require.True(t, invocation.Help)
	}
	invocation, err := Parse([]string{"--version"}, nil)
	require.NoError(t, err)
	require.True(t, invocation.Version)

	var usage strings.Builder
	require.NoError(t, WriteUsage(&usage))
	require.Regexp(t, `\nClustering:\n  --advertise-client-urls +Where clients`, usage.String())
	require.Regexp(t, `--max-wals +Has no effect: the log drops what is applied by itself\.\n`, usage.String())
	require.NotContains(t, usage.String(), "--test.")
	requireWidth(t, usage.String())
	invocation, err = Parse([]string{"--help-all"}, nil)
	require.NoError(t, err)
	require.True(t, invocation.HelpAll)
}

// Goal: what most need fits two screens of thirty lines, and names where the rest is. Method: count.
func TestHelpFitsTwoScreens(t *testing.T) {
	var help strings.Builder
	require.NoError(t, WriteHelp(&help))
	require.LessOrEqual(t, strings.Count(help.String(), "\n"), 60)
	requireWidth(t, help.String())
	require.Contains(t, help.String(), "--help-all")
	require.NotContains(t, help.String(), "--test.")
}

// requireWidth holds that a text fits an ordinary terminal.
func requireWidth(t *testing.T, text string) {
	t.Helper()
	for line := range strings.Lines(text) {
		require.LessOrEqual(t, len(strings.TrimSuffix(line, "\n")), flagset.Width, line)
	}
}

// Goal: of etcd's feature gates one has a meaning, the others are warned of, and what is none is refused, as by etcd.
func TestFeatureGates(t *testing.T) {
	for args, check := range map[string]bool{
		"": true, "--feature-gates=InitialCorruptCheck=false": false, "--feature-gates=InitialCorruptCheck=true": true,
		"--experimental-initial-corrupt-check=false": false, "--experimental-initial-corrupt-check": true,
	} {
		invocation, err := Parse(strings.Fields(args), nil)
		require.NoError(t, err, args)
		require.Equal(t, check, invocation.Config.InitialCorruptCheck, args)
		require.Empty(t, invocation.Warnings)
	}
	invocation, err := Parse([]string{"--feature-gates=CompactHashCheck=true, LeaseCheckpoint=false,InitialCorruptCheck=false"}, nil)
	require.NoError(t, err)
	require.False(t, invocation.Config.InitialCorruptCheck)
	require.Equal(t, []string{
		"--feature-gates: CompactHashCheck has no effect: " + noHashCheck, "--feature-gates: LeaseCheckpoint has no effect: " + noGates,
	}, invocation.Warnings)
	_, err = Parse([]string{"--feature-gates=NoSuchGate=true"}, nil)
	require.ErrorContains(t, err, "unrecognized feature gate: NoSuchGate")
	_, err = Parse([]string{"--feature-gates=InitialCorruptCheck=perhaps"}, nil)
	require.ErrorContains(t, err, "invalid value of InitialCorruptCheck=perhaps")
	_, err = Parse([]string{"--corrupt-check-time=-1s"}, nil)
	require.ErrorContains(t, err, "--corrupt-check-time=-1s: must not be negative")
}

// Goal: with the gate SetMemberLocalAddr connections to other members come from the first advertised address that other hosts can mean, as
// with etcd's; without it, from where the host likes. Method: command lines.
func TestMemberLocalAddress(t *testing.T) {
	for urls, want := range map[string]string{
		"http://10.0.0.5:2380": "10.0.0.5",
		"http://127.0.0.1:2380,https://10.0.0.6:2380,https://10.0.0.7:2380": "10.0.0.6",
		"http://m1.example:2380,http://[2001:db8::5]:2380":                  "2001:db8::5",
		"unix:///run/m1.sock,http://10.0.0.5:2380":                          "10.0.0.5",
		"http://m1.example:2380":                                            "",
		"http://[::1]:2380,http://127.0.0.2:2380":                           "",
	} {
		advertised := "--initial-advertise-peer-urls=" + urls
		for gate, want := range map[string]string{"--feature-gates=SetMemberLocalAddr=true": want, "--feature-gates=SetMemberLocalAddr=false": "", "": ""} {
			invocation, err := Parse(strings.Fields(advertised+" "+gate), nil)
			require.NoError(t, err)
			require.Empty(t, invocation.Warnings)
			var got string
			if local := invocation.Config.LocalPeerAddress(); local != nil {
				got = local.String()
			}
			require.Equal(t, want, got, "%s %s", advertised, gate)
		}
	}
}
