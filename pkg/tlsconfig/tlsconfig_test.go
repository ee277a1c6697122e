package tlsconfig_test

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/quoratedb/quorate/pkg/tlsconfig"
)

// pair makes a self-signed pair, which serves as server, client and authority alike.
func pair(t *testing.T) (certFile, keyFile string) {
	t.Helper()
	certFile, keyFile, err := tlsconfig.SelfSigned(filepath.Join(t.TempDir(), "pair"), []string{"localhost:0", "127.0.0.1"}, 1)
	require.NoError(t, err)
	return certFile, keyFile
}

// handshake connects a client to a server and returns what the server made of it.
func handshake(t *testing.T, server, client *tls.Config) (tls.ConnectionState, error) {
	t.Helper()
	near, far := connected(t)
	clientDone := make(chan struct{})
	go func() {
		defer close(clientDone)
		conn := tls.Client(far, client)
		if conn.Handshake() == nil {
			_, _ = conn.Read(make([]byte, 1)) // a refused client of TLS 1.3 hears of it only when it reads
		}
	}()
	conn := tls.Server(near, server)
	err := conn.Handshake()
	near.Close()
	<-clientDone
	return conn.ConnectionState(), err
}

// connected returns the two ends of a connection. It is a real one: both sides may speak at once when one refuses the
// other, and on a pipe without a buffer they would wait for each other for ever.
func connected(t *testing.T) (near, far net.Conn) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	far, err = net.Dial("tcp", listener.Addr().String())
	require.NoError(t, err)
	near, err = listener.Accept()
	require.NoError(t, err)
	t.Cleanup(func() { near.Close(); far.Close() })
	return near, far
}

// trusting is a client that trusts one certificate.
func trusting(t *testing.T, certFile string) *tls.Config {
	t.Helper()
	pem, err := os.ReadFile(certFile)
	require.NoError(t, err)
	pool := x509.NewCertPool()
	require.True(t, pool.AppendCertsFromPEM(pem))
	return &tls.Config{RootCAs: pool, ServerName: "localhost", NextProtos: []string{"h2"}}
}

// Goal: a server with a certificate speaks HTTP/2 to a client that trusts it, within its policy.
// Method: handshakes with a policy that both can keep, and with one that the client cannot.
func TestServerHandshake(t *testing.T) {
	certFile, keyFile := pair(t)
	server := tlsconfig.Server{CertFile: certFile, KeyFile: keyFile}
	config, err := server.Config(tlsconfig.Policy{MaxVersion: "TLS1.2", CipherSuites: []string{"TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305"}})
	require.NoError(t, err)
	state, err := handshake(t, config, trusting(t, certFile))
	require.NoError(t, err)
	require.Equal(t, "h2", state.NegotiatedProtocol)
	require.Equal(t, uint16(tls.VersionTLS12), state.Version)
	require.Equal(t, tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, state.CipherSuite)

	config, err = server.Config(tlsconfig.Policy{MinVersion: "TLS1.3"})
	require.NoError(t, err)
	old := trusting(t, certFile)
	old.MaxVersion = tls.VersionTLS12
	_, err = handshake(t, config, old)
	require.Error(t, err)
}

// Goal: a renewed certificate is served without a restart. Method: overwrite the files between two handshakes.
func TestRenewedCertificateIsServed(t *testing.T) {
	certFile, keyFile := pair(t)
	config, err := tlsconfig.Server{CertFile: certFile, KeyFile: keyFile}.Config(tlsconfig.Policy{})
	require.NoError(t, err)
	newCert, newKey := pair(t)
	for from, to := range map[string]string{newCert: certFile, newKey: keyFile} {
		data, err := os.ReadFile(from)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(to, data, 0o600))
	}
	_, err = handshake(t, config, trusting(t, newCert))
	require.NoError(t, err)
}

// Goal: each rule about clients lets in and turns away whom it should. Method: one handshake for each rule.
func TestClientCertificates(t *testing.T) {
	certFile, keyFile := pair(t)
	a := newAuthority(t, "authority")
	shown := a.issue("client")
	file := func(name string, content []byte) string {
		path := filepath.Join(t.TempDir(), name)
		write(t, path, content)
		return path
	}
	other := newAuthority(t, "other")
	list := file("revoked.crl", a.revoke(shown.Certificate))
	lists := file("revoked.pem", append(encode("X509 CRL", other.revoke()), encode("X509 CRL", a.revoke(shown.Certificate))...))
	tests := map[string]struct {
		server  tlsconfig.Server
		without bool // the client sends no certificate
		want    string
	}{
		"vouched for":          {server: tlsconfig.Server{ClientCertAuth: true, TrustedCAFile: a.caFile()}},
		"none needed":          {without: true},
		"none sent":            {server: tlsconfig.Server{TrustedCAFile: a.caFile()}, without: true, want: "didn't provide a certificate"},
		"not vouched for":      {server: tlsconfig.Server{TrustedCAFile: certFile}, want: "unknown authority"},
		"name allowed":         {server: tlsconfig.Server{TrustedCAFile: a.caFile(), AllowedNames: []string{"x", "client"}}},
		"name not allowed":     {server: tlsconfig.Server{TrustedCAFile: a.caFile(), AllowedNames: []string{"x"}}, want: `common name "client"`},
		"hostname allowed":     {server: tlsconfig.Server{TrustedCAFile: a.caFile(), AllowedHostnames: []string{"x", "client.test"}}},
		"hostname not allowed": {server: tlsconfig.Server{TrustedCAFile: a.caFile(), AllowedHostnames: []string{"x"}}, want: "none of the allowed host names"},
		"revoked":              {server: tlsconfig.Server{TrustedCAFile: a.caFile(), CRLFile: list}, want: "is revoked"},
		"revoked, in PEM":      {server: tlsconfig.Server{TrustedCAFile: a.caFile(), CRLFile: lists}, want: "is revoked"},
		"nobody revoked":       {server: tlsconfig.Server{TrustedCAFile: a.caFile(), CRLFile: file("none.crl", a.revoke())}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			test.server.CertFile, test.server.KeyFile = certFile, keyFile
			config, err := test.server.Config(tlsconfig.Policy{})
			require.NoError(t, err)
			client := trusting(t, certFile)
			if !test.without {
				client.GetClientCertificate = a.client(shown).GetClientCertificate
			}
			_, err = handshake(t, config, client)
			if test.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, test.want)
		})
	}
}

// Goal: who is vouched for by a revoked authority alone is turned away, whether the client shows that authority's certificate
// or the server has it in its bundle. Method: a client of an authority below another, which has revoked it.
func TestRevokedAuthorityVouchesForNobody(t *testing.T) {
	root := newAuthority(t, "root")
	between := root.below("between")
	client := between.issue("client")
	list := filepath.Join(t.TempDir(), "revoked.crl")
	bundle := filepath.Join(t.TempDir(), "bundle")
	write(t, bundle, append(encode("CERTIFICATE", root.certificate.Raw), encode("CERTIFICATE", between.certificate.Raw)...))
	server := root.server("server")
	server.CRLFile = list
	for _, bundled := range []bool{false, true} {
		shown := root.client(client)
		if bundled {
			server.TrustedCAFile = bundle
			shown = root.client(client, true)
		}
		for _, revoked := range [][]*x509.Certificate{nil, {between.certificate}} {
			write(t, list, root.revoke(revoked...))
			config, err := server.Config(tlsconfig.Policy{})
			require.NoError(t, err)
			_, err = handshake(t, config, shown)
			if len(revoked) == 0 {
				require.NoError(t, err)
			} else {
				require.ErrorContains(t, err, "revoked")
			}
		}
	}
}

// Goal: what cannot work is refused before a client comes. Method: one configuration for each mistake.
func TestMistakesAreRefused(t *testing.T) {
	certFile, keyFile := pair(t)
	absent := filepath.Join(t.TempDir(), "absent")
	tests := map[string]struct {
		server tlsconfig.Server
		policy tlsconfig.Policy
		want   string
	}{
		"no key":            {server: tlsconfig.Server{CertFile: certFile}, want: "both"},
		"no such key":       {server: tlsconfig.Server{CertFile: certFile, KeyFile: absent}, want: absent},
		"no such authority": {server: tlsconfig.Server{CertFile: certFile, KeyFile: keyFile, TrustedCAFile: absent, Flags: tlsconfig.FlagsOf("", "client-")}, want: "--trusted-ca-file=" + absent + ": cannot be read: no such file"},
		"names and hosts":   {server: tlsconfig.Server{CertFile: certFile, KeyFile: keyFile, TrustedCAFile: certFile, AllowedNames: []string{"a"}, AllowedHostnames: []string{"b"}}, want: "cannot be given together"},
		"nobody vouches":    {server: tlsconfig.Server{CertFile: certFile, KeyFile: keyFile, ClientCertAuth: true, Flags: tlsconfig.FlagsOf("peer-", "peer-")}, want: "--peer-client-cert-auth=true: who vouches for clients is not said, and the system's authorities vouch for anybody: give --peer-trusted-ca-file too"},
		"key as authority":  {server: tlsconfig.Server{CertFile: certFile, KeyFile: keyFile, TrustedCAFile: keyFile}, want: "holds no PEM certificate"},
		"PEM as list":       {server: tlsconfig.Server{CertFile: certFile, KeyFile: keyFile, TrustedCAFile: certFile, CRLFile: certFile}, want: "revocation list"},
		"list for nobody":   {server: tlsconfig.Server{CertFile: certFile, KeyFile: keyFile, CRLFile: certFile}, want: "has no effect"},
		"unknown version":   {server: tlsconfig.Server{CertFile: certFile, KeyFile: keyFile}, policy: tlsconfig.Policy{MinVersion: "TLS1.1"}, want: `"TLS1.1"`},
		"turned around":     {server: tlsconfig.Server{CertFile: certFile, KeyFile: keyFile}, policy: tlsconfig.Policy{MinVersion: "TLS1.3", MaxVersion: "TLS1.2"}, want: "is above the highest"},
		"unknown suite":     {server: tlsconfig.Server{CertFile: certFile, KeyFile: keyFile}, policy: tlsconfig.Policy{CipherSuites: []string{"ROT13"}}, want: `"ROT13"`},
		"suites of 1.3":     {server: tlsconfig.Server{CertFile: certFile, KeyFile: keyFile}, policy: tlsconfig.Policy{MinVersion: "TLS1.3", CipherSuites: []string{"TLS_AES_128_GCM_SHA256"}}, want: "cannot be chosen"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := test.server.Config(test.policy)
			require.ErrorContains(t, err, test.want)
		})
	}
}

// Goal: a restart finds the certificate it made, and makes another of one that has expired. Method: ask twice for the same
// directory, again when it has an old certificate, and once for one that cannot be made.
func TestSelfSignedIsMadeOnce(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "fixtures", "client")
	certFile, _, err := tlsconfig.SelfSigned(dir, []string{"localhost"}, 1)
	require.NoError(t, err)
	first, err := os.ReadFile(certFile)
	require.NoError(t, err)
	certFile, keyFile, err := tlsconfig.SelfSigned(dir, []string{"localhost"}, 1)
	require.NoError(t, err)
	second, err := os.ReadFile(certFile)
	require.NoError(t, err)
	require.Equal(t, first, second)
	info, err := os.Stat(keyFile)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())

	past := newAuthority(t, "self").issue("past", func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Hour) })
	write(t, certFile, read(t, past.certFile))
	_, _, err = tlsconfig.SelfSigned(dir, []string{"localhost"}, 1)
	require.NoError(t, err)
	config, err := tlsconfig.Server{CertFile: certFile, KeyFile: keyFile}.Config(tlsconfig.Policy{})
	require.NoError(t, err)
	_, err = handshake(t, config, trusting(t, certFile))
	require.NoError(t, err)

	_, _, err = tlsconfig.SelfSigned(filepath.Join(certFile, "below-a-file"), nil, 1)
	require.ErrorContains(t, err, "self-signed certificate")
}
