package doors

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/quoratedb/quorate/tests/harness"
)

func newServer(t *testing.T, args ...string) *harness.Server {
	t.Helper()
	binary, err := harness.Binary()
	require.NoError(t, err)
	s := harness.New(harness.Config{Binary: binary, DataDir: filepath.Join(t.TempDir(), "data"), Args: args})
	t.Cleanup(func() {
		s.Kill()
		if t.Failed() {
			t.Logf("the server's output:\n%s", s.Output())
		}
	})
	return s
}

// get asks for a page and returns its status and body; 0 where there is no answer.
func get(url string) (int, string) {
	client := http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Get(url)
	if err != nil {
		return 0, err.Error()
	}
	defer answer.Body.Close()
	body, _ := io.ReadAll(answer.Body)
	return answer.StatusCode, string(body)
}

// Goal: SIGTERM ends the process whatever connections do, at each kind of listener. Method: at each of them, connections that
// stop in the middle of everything that a connection can be in; then the signal, and exit code 0.
func TestSIGTERMEndsWhateverConnectionsDo(t *testing.T) {
	t.Parallel()
	monitor, peer, nats := harness.FreePort(), harness.FreePort(), harness.FreePort()
	s := newServer(t, fmt.Sprintf("--listen-metrics-urls=http://127.0.0.1:%d", monitor), fmt.Sprintf("--listen-peer-urls=http://127.0.0.1:%d", peer),
		fmt.Sprintf("--nats-listen=127.0.0.1:%d", nats))
	require.NoError(t, s.Start(harness.Context(t)))
	const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
	const settings = preface + "\x00\x00\x00\x04\x00\x00\x00\x00\x00"
	for _, address := range []string{s.Endpoint(), fmt.Sprintf("127.0.0.1:%d", monitor), fmt.Sprintf("127.0.0.1:%d", peer), fmt.Sprintf("127.0.0.1:%d", nats)} {
		for _, sent := range []string{
			"",
			"POST /raft/stream HTTP/1.1\r\nHost: x\r\n",
			"GET /version HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n",
			"GET /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n",
			"POST /v3/watch HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 60\r\n\r\n" + `{"create_request":{"key":"YQ=="}}`,
			"POST /v3/kv/put HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 60\r\n\r\n" + `{"key":`,
			"GET /v2/keys/a?wait=true HTTP/1.1\r\nHost: x\r\n\r\n",
			"PUT /v2/keys/a HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 60\r\n\r\nval",
			preface,
			settings,
			"SUB quorate.> 1\r\n",
			"CONNECT {\"verbose\":",
			"PUB quorate.a 1000\r\nhalf",
			settings + "\x00\x00\x01\x01\x00\x00\x00\x00\x01\x83",
		} {
			conn, err := net.Dial("tcp", address)
			require.NoError(t, err)
			defer conn.Close()
			_, err = io.WriteString(conn, sent)
			require.NoError(t, err)
		}
	}
	// Whatever was sent before this request has been read by now, or is about to be.
	status, _ := get(s.URL() + "/health")
	require.Equal(t, http.StatusOK, status)
	code, err := s.Stop(syscall.SIGTERM)
	require.NoError(t, err)
	require.Zero(t, code)
}

// Goal: clients that take every connection there is leave the store the files it needs and members their connections; those
// beyond are refused and counted, and the log says so from the start. Method: a low limit on open files; more connections than it,
// while the store writes many files; then a place that is free again is taken by a client that is served.
func TestClientsLeaveFileDescriptorsToTheStore(t *testing.T) {
	t.Parallel()
	const limit = 256
	monitor := harness.FreePort()
	s := newServer(t, fmt.Sprintf("--listen-metrics-urls=http://127.0.0.1:%d", monitor))
	s = harness.New(harness.Config{Binary: harness.Limited(t, s.Binary(), limit), DataDir: s.DataDir(), Args: []string{fmt.Sprintf("--listen-metrics-urls=http://127.0.0.1:%d", monitor)}})
	t.Cleanup(s.Kill)
	require.NoError(t, s.Start(harness.Context(t)))
	require.Contains(t, s.Output(), "the limit on open files is 256")
	client := harness.Client(t, s)
	_, err := client.Put(harness.Context(t), "a", "b")
	require.NoError(t, err)

	var held []net.Conn
	for range limit + 50 {
		conn, err := net.Dial("tcp", s.Endpoint())
		require.NoError(t, err)
		defer conn.Close()
		// A request that has begun: such a connection gives its place to no other.
		_, _ = io.WriteString(conn, "GET /v2/keys/a?wait=true HTTP/1.1\r\nHost: x\r\n\r\n")
		held = append(held, conn)
	}
	value := strings.Repeat("x", 1<<20)
	for i := range 100 {
		_, err := client.Put(harness.Context(t), fmt.Sprint("key", i), value)
		require.NoError(t, err)
	}
	metrics := fmt.Sprintf("http://127.0.0.1:%d/metrics", monitor)
	status, page := get(metrics)
	require.Equal(t, http.StatusOK, status)
	require.Regexp(t, `(?m)^quorate_api_connections_refused_total [1-9]`, page)
	require.NoError(t, s.AwaitOutput(harness.Context(t), "connections are refused"))
	for _, conn := range held {
		require.NoError(t, conn.Close())
	}
	require.Eventually(t, func() bool {
		status, _ := get(s.URL() + "/health")
		return status == http.StatusOK
	}, 30*time.Second, 50*time.Millisecond)
	require.NotContains(t, s.Output(), "too many open files")
}

// Goal: health and metrics answer from the start, before there is a quorum, the log says who is missing since when, and a
// signal ends the wait with exit code 0. Method: one of two members.
func TestStartWithoutQuorumCanBeWatched(t *testing.T) {
	t.Parallel()
	monitor, other := harness.FreePort(), harness.FreePort()
	peer := harness.FreePort()
	s := newServer(t,
		fmt.Sprintf("--listen-metrics-urls=http://127.0.0.1:%d", monitor),
		fmt.Sprintf("--listen-peer-urls=http://127.0.0.1:%d", peer),
		fmt.Sprintf("--initial-advertise-peer-urls=http://127.0.0.1:%d", peer),
		fmt.Sprintf("--initial-cluster=one=http://127.0.0.1:%d,two=http://127.0.0.1:%d", peer, other))
	require.NoError(t, s.Launch())
	page := fmt.Sprintf("http://127.0.0.1:%d", monitor)
	require.Eventually(t, func() bool {
		status, body := get(page + "/livez")
		return status == http.StatusOK && body == "ok\n"
	}, 30*time.Second, 20*time.Millisecond)
	require.Eventually(t, func() bool {
		_, metrics := get(page + "/metrics")
		return strings.Contains(metrics, "\netcd_server_has_leader 0\n")
	}, 30*time.Second, 20*time.Millisecond)
	status, body := get(page + "/readyz")
	require.Equal(t, http.StatusServiceUnavailable, status, body)
	require.Contains(t, body, "[-]linearizable_read failed")
	status, body = get(page + "/health")
	require.Equal(t, http.StatusServiceUnavailable, status, body)
	require.Contains(t, body, `"health":"false"`)

	require.NoError(t, s.AwaitOutput(harness.Context(t), "waiting for a leader"))
	require.NoError(t, s.AwaitOutput(harness.Context(t), fmt.Sprintf(" at http://127.0.0.1:%d since ", other)))
	code, err := s.Stop(syscall.SIGTERM)
	require.NoError(t, err)
	require.Zero(t, code)
}

// Goal: a second signal soon after the first does not turn a clean stop into a failure. Method: one after the
// other until the process has ended, which takes a moment, because a call is still under way.
func TestSecondSignalIsNoFailure(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	require.NoError(t, s.Start(harness.Context(t)))
	conn, err := net.Dial("tcp", s.Endpoint())
	require.NoError(t, err)
	defer conn.Close()
	_, err = io.WriteString(conn, "POST /v3/kv/put HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: 60\r\n\r\n")
	require.NoError(t, err)
	// The server says so when the call begins to read.
	_, err = io.ReadFull(conn, make([]byte, len("HTTP/1.1 100")))
	require.NoError(t, err)
	process, err := os.FindProcess(s.PID())
	require.NoError(t, err)
	require.Eventually(t, func() bool { return process.Signal(syscall.SIGTERM) != nil }, 30*time.Second, 20*time.Millisecond)
	code, err := s.Wait(30 * time.Second)
	require.NoError(t, err)
	require.Zero(t, code)
}

// Goal: SIGHUP lets go of a log file that was renamed, and ends nothing. Method: rename, signal, and read both.
func TestSIGHUPReopensLogFiles(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "log")
	s := newServer(t, "--log-outputs=stderr,"+file)
	require.NoError(t, s.Start(harness.Context(t)))
	require.NoError(t, os.Rename(file, file+".1"))
	process, err := os.FindProcess(s.PID())
	require.NoError(t, err)
	require.NoError(t, process.Signal(syscall.SIGHUP))
	require.NoError(t, s.AwaitOutput(harness.Context(t), "opened the log files anew"))
	code, err := s.Stop(syscall.SIGTERM)
	require.NoError(t, err)
	require.Zero(t, code)
	after, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Contains(t, string(after), `"stopped"`)
	before, err := os.ReadFile(file + ".1")
	require.NoError(t, err)
	require.Contains(t, string(before), `"starting"`)
	require.NotContains(t, string(before), `"stopped"`)
}

// Goal: a member that still asks others who belongs to its cluster tells that it has no leader, and a signal ends it with exit
// code 0. Method: one that joins without having been added, until it has said what it waits for.
func TestMemberThatAsksWhoItIsCanBeWatched(t *testing.T) {
	t.Parallel()
	first := newServer(t)
	require.NoError(t, first.Start(harness.Context(t)))
	founders := ""
	for _, arg := range first.Args() {
		if list, ok := strings.CutPrefix(arg, "--initial-cluster="); ok {
			founders = list
		}
	}
	monitor, peer := harness.FreePort(), fmt.Sprintf("http://127.0.0.1:%d", harness.FreePort())
	s := newServer(t, "--name=two", fmt.Sprintf("--listen-metrics-urls=http://127.0.0.1:%d", monitor), "--listen-peer-urls="+peer,
		"--initial-advertise-peer-urls="+peer, "--initial-cluster="+founders+",two="+peer, "--initial-cluster-state=existing")
	require.NoError(t, s.Launch())
	require.NoError(t, s.AwaitOutput(harness.Context(t), "etcdctl member add two"))
	status, metrics := get(fmt.Sprintf("http://127.0.0.1:%d/metrics", monitor))
	require.Equal(t, http.StatusOK, status)
	require.Contains(t, metrics, "\netcd_server_has_leader 0\n")
	code, err := s.Stop(syscall.SIGTERM)
	require.NoError(t, err)
	require.Zero(t, code)
}

// Goal: one address takes clients with http and with https, if both are given (the start was refused; etcd takes both). Method: each
// protocol that clients may speak, with TLS and without.
func TestHTTPAndHTTPSOnOneAddress(t *testing.T) {
	t.Parallel()
	address := fmt.Sprintf("127.0.0.1:%d", harness.FreePort())
	urls := "http://" + address + ",https://" + address
	s := newServer(t, "--listen-client-urls="+urls, "--advertise-client-urls="+urls, "--auto-tls")
	require.NoError(t, s.Start(harness.Context(t)))
	self := &tls.Config{InsecureSkipVerify: true}
	for name, secrets := range map[string]*tls.Config{"http": nil, "https": self} {
		endpoint := name + "://" + address
		client, err := harness.DialTLS(secrets, endpoint)
		require.NoError(t, err)
		defer client.Close()
		_, err = client.Put(harness.Context(t), name, "gRPC")
		require.NoError(t, err)
		for _, protocol := range []string{"HTTP/1.1", "HTTP/2"} {
			protocols := new(http.Protocols)
			protocols.SetHTTP1(protocol == "HTTP/1.1")
			protocols.SetHTTP2(protocol == "HTTP/2" && secrets != nil)
			protocols.SetUnencryptedHTTP2(protocol == "HTTP/2" && secrets == nil)
			transport := &http.Transport{TLSClientConfig: self, Protocols: protocols, DisableKeepAlives: true}
			answer, err := (&http.Client{Transport: transport, Timeout: 10 * time.Second}).Get(endpoint + "/version")
			require.NoError(t, err, "%s %s", endpoint, protocol)
			require.NoError(t, answer.Body.Close())
			require.Equal(t, http.StatusOK, answer.StatusCode)
		}
	}
	code, err := s.Stop(syscall.SIGTERM)
	require.NoError(t, err)
	require.Zero(t, code)
}
