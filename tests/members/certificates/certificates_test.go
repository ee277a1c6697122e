package certificates

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/quoratedb/quorate/tests/faults/chaos/certs"
	"github.com/quoratedb/quorate/tests/harness"
)

// newAuthority makes an authority, with its files in a folder of its own.
func newAuthority(t *testing.T) *certs.Authority {
	t.Helper()
	authority, err := certs.New(filepath.Join(t.TempDir(), "authority"))
	require.NoError(t, err)
	return authority
}

func issue(t *testing.T, authority *certs.Authority, name string) certs.Files {
	t.Helper()
	files, err := authority.Issue(name, "127.0.0.1")
	require.NoError(t, err)
	return files
}

func revoke(t *testing.T, authority *certs.Authority, to string, revoked ...certs.Files) {
	t.Helper()
	list, err := authority.Revoke(revoked...)
	require.NoError(t, err)
	replace(t, to, list)
}

// replace changes a file as a careful operator does, in one step.
func replace(t *testing.T, file string, content []byte) {
	t.Helper()
	require.NoError(t, os.WriteFile(file+".new", content, 0o600))
	require.NoError(t, os.Rename(file+".new", file))
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	content, err := os.ReadFile(file)
	require.NoError(t, err)
	return content
}

// caller trusts authorities, and shows a certificate.
func caller(t *testing.T, shown certs.Files, trusted ...*certs.Authority) *tls.Config {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(shown.Cert, shown.Key)
	require.NoError(t, err)
	roots := x509.NewCertPool()
	for _, authority := range trusted {
		require.True(t, roots.AppendCertsFromPEM(read(t, authority.CA())))
	}
	// Whatever authorities the server names: crypto/tls would show nothing that none of them vouches for.
	show := func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
	return &tls.Config{RootCAs: roots, ServerName: "127.0.0.1", GetClientCertificate: show}
}

// newServer is a member with further arguments, one of which places its clients: TLS is none of the harness's business.
func newServer(t *testing.T, args ...string) *harness.Server {
	t.Helper()
	binary, err := harness.Binary()
	require.NoError(t, err)
	s := harness.New(harness.Config{Binary: binary, DataDir: filepath.Join(t.TempDir(), "data"), Args: args, PeerTLS: true})
	t.Cleanup(func() {
		s.Kill()
		if t.Failed() {
			t.Logf("the server's output:\n%s", s.Output())
		}
	})
	return s
}
