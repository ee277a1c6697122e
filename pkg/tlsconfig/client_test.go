package tlsconfig_test

import (
	"crypto/tls"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/quoratedb/quorate/pkg/tlsconfig"
)

// calling is how a server goes to others named localhost.
func calling(t *testing.T, server tlsconfig.Server) *tls.Config {
	t.Helper()
	client, err := server.Client(tlsconfig.Policy{})
	require.NoError(t, err)
	config := client()
	config.ServerName = "localhost"
	return config
}

// Goal: servers of one kind can connect to each other, each proving who it is, and to nobody else. Method: a handshake
// of a server with itself, and with one whose certificate no common authority vouches for.
func TestServersConnectToEachOther(t *testing.T) {
	one, other := newAuthority(t, "one").server("a"), newAuthority(t, "other").server("b")
	server, err := one.Config(tlsconfig.Policy{})
	require.NoError(t, err)
	state, err := handshake(t, server, calling(t, one))
	require.NoError(t, err)
	require.Len(t, state.PeerCertificates, 1)

	stranger := other
	stranger.TrustedCAFile = one.TrustedCAFile
	_, err = handshake(t, server, calling(t, stranger))
	require.ErrorContains(t, err, "unknown authority")
	_, err = handshake(t, server, calling(t, tlsconfig.Server{TrustedCAFile: one.TrustedCAFile}))
	require.ErrorContains(t, err, "didn't provide a certificate")

	_, err = tlsconfig.Server{CertFile: filepath.Join(t.TempDir(), "absent"), KeyFile: one.KeyFile}.Client(tlsconfig.Policy{})
	require.ErrorContains(t, err, "absent")
	_, err = tlsconfig.Server{TrustedCAFile: one.KeyFile}.Client(tlsconfig.Policy{})
	require.ErrorContains(t, err, "holds no PEM certificate")
}

// Goal: a server calls nobody whom it would not let in: rules of names and the revocation list hold at both ends, as etcd's
// rules of names do. Method: the calling end's verdict, for a server that each rule is for and against.
func TestRulesHoldForCallsToo(t *testing.T) {
	a := newAuthority(t, "authority")
	called := a.issue("called")
	server, err := tlsconfig.Server{CertFile: called.certFile, KeyFile: called.keyFile, TrustedCAFile: a.caFile()}.Config(tlsconfig.Policy{})
	require.NoError(t, err)
	list := filepath.Join(t.TempDir(), "revoked.crl")
	write(t, list, a.revoke(called.Certificate))
	for name, test := range map[string]struct {
		change func(*tlsconfig.Server)
		want   string
	}{
		"no rule":          {func(*tlsconfig.Server) {}, ""},
		"its name":         {func(s *tlsconfig.Server) { s.AllowedNames = []string{"called"} }, ""},
		"another name":     {func(s *tlsconfig.Server) { s.AllowedNames = []string{"x"} }, `common name "called" of the certificate is not allowed`},
		"another hostname": {func(s *tlsconfig.Server) { s.AllowedHostnames = []string{"x"} }, "none of the allowed host names"},
		"revoked":          {func(s *tlsconfig.Server) { s.CRLFile = list }, "is revoked"},
	} {
		t.Run(name, func(t *testing.T) {
			caller := a.server("caller")
			test.change(&caller)
			near, far := connected(t)
			served := make(chan struct{})
			go func() {
				defer close(served)
				_ = tls.Server(near, server).Handshake()
			}()
			err := tls.Client(far, calling(t, caller)).Handshake()
			far.Close()
			<-served
			if test.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, test.want)
		})
	}
}

// Goal: a certificate of its own for calls is shown instead of the server's (--peer-client-cert-file was refused). Method: a
// server that knows the one for calls only.
func TestCertificateForCallsIsShown(t *testing.T) {
	one, two := newAuthority(t, "one").server("a"), newAuthority(t, "two").server("b")
	caller := one
	caller.ClientCertFile, caller.ClientKeyFile = two.CertFile, two.KeyFile
	require.NoError(t, caller.Validate())
	server := one
	server.TrustedCAFile = two.TrustedCAFile
	serving, err := server.Config(tlsconfig.Policy{})
	require.NoError(t, err)
	_, err = handshake(t, serving, calling(t, caller))
	require.NoError(t, err)
	caller.ClientKeyFile = ""
	require.ErrorContains(t, caller.Validate(), "both or neither")
}
