package certificates

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/quoratedb/quorate/tests/faults/chaos/certs"
	"github.com/quoratedb/quorate/tests/harness"
)

// door is a way in: it returns nil for whoever was let in.
type door func(*tls.Config) error

// page asks for a page over one version of HTTP; any answer is good.
func page(url string, version string) door {
	return func(config *tls.Config) error {
		protocols := new(http.Protocols)
		protocols.SetHTTP1(version == "HTTP/1.1")
		protocols.SetHTTP2(version == "HTTP/2")
		transport := &http.Transport{TLSClientConfig: config.Clone(), Protocols: protocols, DisableKeepAlives: true}
		request, err := http.NewRequest(http.MethodPost, url, strings.NewReader("{}"))
		if err != nil {
			return err
		}
		request.Header.Set("Content-Type", "application/json")
		answer, err := (&http.Client{Transport: transport, Timeout: 20 * time.Second}).Do(request)
		if err != nil {
			return err
		}
		defer answer.Body.Close()
		if answer.Proto[:len(version)] != version {
			return fmt.Errorf("the answer is of %s", answer.Proto)
		}
		_, err = io.Copy(io.Discard, answer.Body)
		return err
	}
}

// gRPC reads a key with etcd's client.
func gRPC(t *testing.T, url string) door {
	return func(config *tls.Config) error {
		client, err := harness.DialTLS(config.Clone(), url)
		if err != nil {
			return err
		}
		defer client.Close()
		_, err = client.Get(harness.Context(t), "key")
		return err
	}
}

// route shakes hands as a watch node does, and reads what NATS says first.
func route(address string) door {
	return func(config *tls.Config) error {
		conn, err := (&tls.Dialer{NetDialer: &net.Dialer{Timeout: 20 * time.Second}, Config: config.Clone()}).Dial("tcp", address)
		if err != nil {
			return err
		}
		defer conn.Close()
		if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
			return err
		}
		line, err := bufio.NewReader(conn).ReadString('\n')
		if err == nil && !strings.HasPrefix(line, "INFO ") {
			return errors.New(line)
		}
		return err
	}
}

// revocationCounts replaces the list of a listener that runs: who was let in is turned away then, and others are let in
// before and after.
func revocationCounts(t *testing.T, authority *certs.Authority, list string, doors map[string]door) {
	t.Helper()
	stolen, honest := issue(t, authority, "stolen"), issue(t, authority, "honest")
	thief, client := caller(t, stolen, authority), caller(t, honest, authority)
	for name, open := range doors {
		// The routes of watch nodes begin a moment after the rest.
		require.Eventually(t, func() bool { return open(client) == nil }, 30*time.Second, 20*time.Millisecond, name)
		require.NoError(t, open(thief), name)
	}
	revoke(t, authority, list, stolen)
	for name, open := range doors {
		require.Error(t, open(thief), name)
		require.NoError(t, open(client), name)
	}
}

// Goal: GHSA-3wh4-j44w-pg92: a revoked certificate is turned away at every listener of a member and on every wire of each,
// and a list that is replaced counts at once (etcd looked at lists on some of its listeners only). Method: clients, metrics and
// members have a list each; every door is tried before and after the list is replaced.
func TestGHSA3wh4j44wpg92(t *testing.T) {
	t.Parallel()
	authority := newAuthority(t)
	dir := t.TempDir()
	clients, members := filepath.Join(dir, "clients.crl"), filepath.Join(dir, "members.crl")
	revoke(t, authority, clients)
	revoke(t, authority, members)
	shown := issue(t, authority, "server")
	url := func() string { return fmt.Sprintf("https://127.0.0.1:%d", harness.FreePort()) }
	client, legacy, plain, metrics, peer := url(), url(), url(), url(), url()
	s := newServer(t,
		"--listen-client-urls="+client, "--listen-client-http-urls="+plain, "--listen-legacy-urls="+legacy, "--advertise-client-urls="+client,
		"--listen-metrics-urls="+metrics, "--listen-peer-urls="+peer, "--initial-advertise-peer-urls="+peer, "--initial-cluster=one="+peer,
		"--cert-file="+shown.Cert, "--key-file="+shown.Key, "--trusted-ca-file="+authority.CA(), "--client-crl-file="+clients,
		"--peer-cert-file="+shown.Cert, "--peer-key-file="+shown.Key, "--peer-trusted-ca-file="+authority.CA(), "--peer-crl-file="+members)
	require.NoError(t, s.Start(harness.Context(t)))

	doors := map[string]door{"gRPC": gRPC(t, client), "metrics": page(metrics+"/metrics", "HTTP/1.1")}
	for _, version := range []string{"HTTP/1.1", "HTTP/2"} {
		doors["gateway, "+version] = page(client+"/v3/kv/range", version)
		doors["Connect, "+version] = page(client+"/etcdserverpb.KV/Range", version)
		doors["v2, "+version] = page(client+"/v2/keys/", version)
		doors["health, "+version] = page(client+"/health", version)
		doors["HTTP alone, "+version] = page(plain+"/version", version)
		doors["v2 alone, "+version] = page(legacy+"/v2/keys/", version)
	}
	revocationCounts(t, authority, clients, doors)
	revocationCounts(t, authority, members, map[string]door{
		"members": page(peer+"/version", "HTTP/1.1"), "members, HTTP/2": page(peer+"/version", "HTTP/2"),
	})
}

// Goal: the same for services that run apart: their internal ports and the routes between watch nodes. Method: a store of one
// node of each service with mutual TLS; every door is tried before and after the list is replaced.
func TestGHSA3wh4j44wpg92Apart(t *testing.T) {
	t.Parallel()
	authority := newAuthority(t)
	list := filepath.Join(t.TempDir(), "services.crl")
	revoke(t, authority, list)
	shown := issue(t, authority, "services")
	programs, err := harness.Make("build", "bin")
	require.NoError(t, err)
	s := harness.NewApart(harness.ApartConfig{
		Programs: programs, DataDir: t.TempDir(), Sizes: harness.Sizes{Consensus: 1, Lease: 1, Watch: 2, API: 1},
		Secrets: []string{
			"--internal-cert-file=" + shown.Cert, "--internal-key-file=" + shown.Key,
			"--internal-trusted-ca-file=" + authority.CA(), "--internal-crl-file=" + list,
		},
	})
	t.Cleanup(func() {
		for _, one := range s.All() {
			one.Kill()
			if t.Failed() {
				t.Logf("%s:\n%s", strings.Join(one.Args(), " "), one.Output())
			}
		}
	})
	require.NoError(t, s.Start(harness.Context(t)))
	doors := map[string]door{}
	for _, each := range s.All() {
		for _, arg := range each.Args() {
			flag, value, _ := strings.Cut(arg, "=")
			switch flag {
			case "--listen-internal-urls":
				doors[each.Args()[0]+" "+value] = page(value+"/none", "HTTP/2")
			case "--listen-routes-url":
				doors[each.Args()[0]+" "+value] = route(strings.TrimPrefix(value, "nats://"))
			}
		}
	}
	require.Len(t, doors, 6)
	revocationCounts(t, authority, list, doors)
	client, err := harness.Dial(s.Endpoints()...)
	require.NoError(t, err)
	defer client.Close()
	_, err = client.Put(harness.Context(t), "key", "value")
	require.NoError(t, err)
}
