package tlsconfig_test

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/quoratedb/quorate/pkg/tlsconfig"
)

// Goal: an authority that is added to a bundle on disk counts at the next handshake, at both ends, and one that is removed
// counts no more (both needed a restart). Method: two servers of different authorities; each learns of the other's.
func TestGrownBundleCountsAtOnce(t *testing.T) {
	one, two := newAuthority(t, "one").server("a"), newAuthority(t, "two").server("b")
	serving, err := one.Config(tlsconfig.Policy{})
	require.NoError(t, err)
	plain := tlsconfig.Speaking(serving, "other/1")
	client, err := two.Client(tlsconfig.Policy{})
	require.NoError(t, err)
	call := func(server *tls.Config, protocols ...string) (tls.ConnectionState, error) {
		config := client()
		config.ServerName, config.NextProtos = "localhost", protocols
		return handshake(t, server, config)
	}
	add := func(from, to tlsconfig.Server) (before []byte) {
		before = read(t, to.TrustedCAFile)
		write(t, to.TrustedCAFile, append(before, read(t, from.TrustedCAFile)...))
		return before
	}

	_, err = call(serving)
	require.Error(t, err)
	own := add(one, two)
	_, err = call(serving)
	require.Error(t, err, "the server does not know the client's yet")
	add(two, one)
	state, err := call(serving)
	require.NoError(t, err)
	require.Len(t, state.PeerCertificates, 1)
	state, err = call(plain, "h2", "other/1")
	require.NoError(t, err)
	require.Equal(t, "other/1", state.NegotiatedProtocol)

	write(t, two.TrustedCAFile, own)
	_, err = call(serving)
	require.Error(t, err)
}

// Goal: a file that cannot be used keeps the last one in use, at both ends, and the log says so once, with flag and file; the
// next one that can be used counts at once. Method: each file of a server broken in the ways that writing and mistakes break
// one, with three handshakes each, and then mended.
func TestBrokenFileKeepsTheLastGoodOne(t *testing.T) {
	a := newAuthority(t, "authority")
	bundle := append(encode("CERTIFICATE", a.certificate.Raw), encode("CERTIFICATE", newAuthority(t, "other").certificate.Raw)...)
	stranger := a.issue("stranger")
	list := a.revoke(stranger.Certificate)
	for name, test := range map[string]struct {
		file   func(tlsconfig.Server) string
		break_ func(t *testing.T, file string)
		said   []string
	}{
		"certificate gone":           {certOf, remove, []string{"--peer-cert-file=", "cannot be read", "no such file"}},
		"certificate empty":          {certOf, content(nil), []string{"--peer-cert-file=", "holds no PEM certificate"}},
		"certificate half":           {certOf, half, []string{"--peer-cert-file=", "has no end"}},
		"certificate of another key": {certOf, content(read(t, stranger.certFile)), []string{"--peer-key-file=", "--peer-cert-file=", "does not match"}},
		"key gone":                   {keyOf, remove, []string{"--peer-key-file=", "no such file"}},
		"key half":                   {keyOf, half, []string{"--peer-key-file=", "is not the key of --peer-cert-file="}},
		"key of another":             {keyOf, content(read(t, stranger.keyFile)), []string{"--peer-key-file=", "does not match"}},
		"key encrypted":              {keyOf, content(encode("ENCRYPTED PRIVATE KEY", []byte("x"))), []string{"--peer-key-file=", "store it without"}},
		"bundle empty":               {caOf, content(nil), []string{"--peer-trusted-ca-file=", "holds no PEM certificate"}},
		"bundle nonsense":            {caOf, content([]byte("nonsense")), []string{"--peer-trusted-ca-file=", "holds no PEM certificate"}},
		"bundle half":                {caOf, half, []string{"--peer-trusted-ca-file=", "has no end"}},
		"bundle one and a half":      {caOf, content(bundle[:len(bundle)-100]), []string{"--peer-trusted-ca-file=", "has no end"}},
		"list gone":                  {crlOf, remove, []string{"--peer-crl-file=", "no such file"}},
		"list empty":                 {crlOf, content(nil), []string{"--peer-crl-file=", "is no revocation list"}},
		"list half":                  {crlOf, half, []string{"--peer-crl-file=", "is no revocation list"}},
		"list a certificate":         {crlOf, content(read(t, stranger.certFile)), []string{"--peer-crl-file=", "not an X509 CRL"}},
	} {
		t.Run(name, func(t *testing.T) {
			var said log
			server := a.server("server")
			server.CRLFile = filepath.Join(t.TempDir(), "revoked.crl")
			write(t, server.CRLFile, list)
			server.Flags, server.Log = tlsconfig.FlagsOf("peer-", "peer-"), said.logger()
			material, err := server.Load(tlsconfig.Policy{})
			require.NoError(t, err)
			serving, err := material.Serving()
			require.NoError(t, err)
			works := func() {
				t.Helper()
				config := material.Calling()
				config.ServerName = "localhost"
				_, err := handshake(t, serving, config)
				require.NoError(t, err)
				_, err = handshake(t, serving, a.client(stranger))
				require.ErrorContains(t, err, "is revoked")
			}
			works()
			require.Empty(t, said.lines())
			file := test.file(server)
			good := read(t, file)
			test.break_(t, file)
			works()
			works()
			works()
			require.Len(t, said.lines("level=ERROR"), 1)
			require.Len(t, said.lines(append(test.said, "cannot be used", file)...), 1)
			write(t, file, good)
			works()
			works()
			require.Len(t, said.lines("count from now on", file), 1)
			require.Len(t, said.lines(), 2)
		})
	}
}

func certOf(s tlsconfig.Server) string { return s.CertFile }
func keyOf(s tlsconfig.Server) string  { return s.KeyFile }
func caOf(s tlsconfig.Server) string   { return s.TrustedCAFile }
func crlOf(s tlsconfig.Server) string  { return s.CRLFile }

func remove(t *testing.T, file string) { require.NoError(t, os.Remove(file)) }

func half(t *testing.T, file string) {
	t.Helper()
	whole := read(t, file)
	write(t, file, whole[:len(whole)/2])
}

func content(of []byte) func(*testing.T, string) {
	return func(t *testing.T, file string) { write(t, file, of) }
}

// Goal: a change is seen whatever time, size and name it leaves the file with. Method: files long settled, whose stamps are
// remembered, replaced by a rename, by a link that points elsewhere as Kubernetes does it, and in place.
func TestEveryWayToReplaceAFileIsSeen(t *testing.T) {
	a := newAuthority(t, "authority")
	client := a.issue("client")
	none, one := a.revoke(), a.revoke(client.Certificate)
	long := time.Now().Add(-time.Hour)
	for name, replace := range map[string]func(t *testing.T, file string){
		"rename": func(t *testing.T, file string) {
			write(t, file+".new", one)
			require.NoError(t, os.Chtimes(file+".new", long, long))
			require.NoError(t, os.Rename(file+".new", file))
		},
		"link": func(t *testing.T, file string) {
			write(t, file+".other", one)
			require.NoError(t, os.Symlink(file+".other", file+".new"))
			require.NoError(t, os.Rename(file+".new", file))
		},
		"in place": func(t *testing.T, file string) { write(t, file, one) },
	} {
		t.Run(name, func(t *testing.T) {
			server := a.server("server")
			server.CRLFile = filepath.Join(t.TempDir(), "revoked.crl")
			write(t, server.CRLFile, none)
			require.NoError(t, os.Chtimes(server.CRLFile, long, long))
			serving, err := server.Config(tlsconfig.Policy{})
			require.NoError(t, err)
			_, err = handshake(t, serving, a.client(client))
			require.NoError(t, err)
			replace(t, server.CRLFile)
			_, err = handshake(t, serving, a.client(client))
			require.ErrorContains(t, err, "is revoked")
		})
	}
}

// Goal: a session that is resumed is judged by the files of that moment: nobody slips through by one of before. Method: for
// both versions of TLS, a client that comes again with its session, after its authority left the bundle, its certificate was
// revoked, or nothing happened.
func TestResumedSessionsAreJudgedAnew(t *testing.T) {
	for version, high := range map[string]uint16{"TLS1.2": tls.VersionTLS12, "TLS1.3": tls.VersionTLS13} {
		for name, change := range map[string]func(*testing.T, *authority, issued, tlsconfig.Server) string{
			"nothing": func(*testing.T, *authority, issued, tlsconfig.Server) string { return "" },
			"authority left": func(t *testing.T, _ *authority, _ issued, s tlsconfig.Server) string {
				write(t, s.TrustedCAFile, encode("CERTIFICATE", newAuthority(t, "other").certificate.Raw))
				return "unknown authority"
			},
			"revoked": func(t *testing.T, a *authority, client issued, s tlsconfig.Server) string {
				write(t, s.CRLFile, a.revoke(client.Certificate))
				return "is revoked"
			},
		} {
			t.Run(version+", "+name, func(t *testing.T) {
				a := newAuthority(t, "authority")
				server := a.server("server")
				server.CRLFile = filepath.Join(t.TempDir(), "revoked.crl")
				write(t, server.CRLFile, a.revoke())
				serving, err := server.Config(tlsconfig.Policy{})
				require.NoError(t, err)
				shown := a.issue("client")
				client := a.client(shown)
				client.MaxVersion, client.ClientSessionCache = high, tls.NewLRUClientSessionCache(1)
				state, err := handshake(t, serving, client)
				require.NoError(t, err)
				require.False(t, state.DidResume)
				want := change(t, a, shown, server)
				state, err = handshake(t, serving, client)
				if want != "" {
					require.ErrorContains(t, err, want)
					return
				}
				require.NoError(t, err)
				require.True(t, state.DidResume, "the test's client has no session")
				require.Len(t, state.VerifiedChains, 1)
			})
		}
	}
}

// Goal: what is in use and out of time is said once, with what to do, and does not keep a server from starting: other members
// may need its vote. Method: a certificate, an authority and a list that have expired, and two handshakes.
func TestOutOfTimeIsSaidOnce(t *testing.T) {
	a := newAuthority(t, "authority")
	old := func(c *x509.Certificate) {
		c.NotBefore, c.NotAfter = time.Now().Add(-2*time.Hour), time.Now().Add(-time.Hour)
	}
	var said log
	expired := a.issue("expired", old)
	bundle := filepath.Join(t.TempDir(), "bundle")
	ended := newAuthority(t, "ended")
	ended.certificate.NotAfter = time.Now().Add(-time.Hour)
	ended.certificate = ended.sign(ended.certificate, ended.key)
	write(t, bundle, append(encode("CERTIFICATE", a.certificate.Raw), encode("CERTIFICATE", ended.certificate.Raw)...))
	server := tlsconfig.Server{
		CertFile: expired.certFile, KeyFile: expired.keyFile, TrustedCAFile: bundle,
		Flags: tlsconfig.FlagsOf("", "client-"), Log: said.logger(),
	}
	serving, err := server.Config(tlsconfig.Policy{})
	require.NoError(t, err)
	client := a.client(a.issue("client"))
	client.InsecureSkipVerify = true
	for range 2 {
		_, err = handshake(t, serving, client)
		require.NoError(t, err)
	}
	require.Len(t, said.lines("--cert-file="+expired.certFile, "has expired at", "put another in its place"), 1)
	require.Len(t, said.lines("--trusted-ca-file="+bundle, "has expired at"), 1)
	require.Len(t, said.lines(), 2)
}

// Goal: handshakes at the same time as files change are all answered by something that was good. Method: clients in a loop while
// the pair is replaced again and again, certificate before key.
func TestHandshakesWhileFilesChange(t *testing.T) {
	a := newAuthority(t, "authority")
	server := a.server("server")
	serving, err := server.Config(tlsconfig.Policy{})
	require.NoError(t, err)
	client := a.client(a.issue("client"))
	done := make(chan struct{})
	var clients sync.WaitGroup
	for range 2 {
		clients.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				_, err := handshake(t, serving, client.Clone())
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for range 20 {
		next := a.issue("next")
		write(t, server.CertFile, read(t, next.certFile))
		write(t, server.KeyFile, read(t, next.keyFile))
	}
	close(done)
	clients.Wait()
}
