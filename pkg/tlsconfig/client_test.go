package tlsconfig_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/quoratedb/quorate/pkg/tlsconfig"
)

// vouchedFor makes a server with a certificate of an authority of its own.
func vouchedFor(t *testing.T) tlsconfig.Server {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"localhost"},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	caDER, err := x509.CreateCertificate(rand.Reader, ca, ca, key.Public(), key)
	require.NoError(t, err)
	leafDER, err := x509.CreateCertificate(rand.Reader, leaf, ca, key.Public(), key)
	require.NoError(t, err)
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	dir := t.TempDir()
	write := func(name, kind string, der []byte) string {
		file := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
		return file
	}
	return tlsconfig.Server{
		CertFile: write("cert.pem", "CERTIFICATE", leafDER), KeyFile: write("key.pem", "PRIVATE KEY", keyDER),
		ClientCertAuth: true, TrustedCAFile: write("ca.pem", "CERTIFICATE", caDER),
	}
}

// Goal: servers of one kind can connect to each other, each proving who it is, and to nobody else. Method: a handshake
// of a server with itself, and with one whose certificate no common authority vouches for.
func TestServersConnectToEachOther(t *testing.T) {
	one, other := vouchedFor(t), vouchedFor(t)
	client := func(of tlsconfig.Server) *tls.Config {
		config, err := of.ClientConfig(tlsconfig.Policy{})
		require.NoError(t, err)
		config.ServerName = "localhost"
		return config
	}
	server, err := one.Config(tlsconfig.Policy{})
	require.NoError(t, err)
	state, err := handshake(t, server, client(one))
	require.NoError(t, err)
	require.Len(t, state.PeerCertificates, 1)
	stranger := other
	stranger.TrustedCAFile = one.TrustedCAFile
	_, err = handshake(t, server, client(stranger))
	require.ErrorContains(t, err, "unknown authority")
	_, err = handshake(t, server, client(tlsconfig.Server{TrustedCAFile: one.TrustedCAFile}))
	require.ErrorContains(t, err, "didn't provide a certificate")

	_, err = tlsconfig.Server{CertFile: filepath.Join(t.TempDir(), "absent"), KeyFile: one.KeyFile}.ClientConfig(tlsconfig.Policy{})
	require.ErrorContains(t, err, "absent")
	_, err = tlsconfig.Server{TrustedCAFile: one.KeyFile}.ClientConfig(tlsconfig.Policy{})
	require.ErrorContains(t, err, "holds no PEM certificate")
}

// Goal: an authority that is added to a bundle on disk counts at the next handshake, at both ends, and one that is removed
// counts no more (both needed a restart). Method: two servers of different authorities; each learns of the other's.
func TestGrownBundleCountsAtOnce(t *testing.T) {
	one, two := vouchedFor(t), vouchedFor(t)
	serving, err := one.Config(tlsconfig.Policy{})
	require.NoError(t, err)
	plain := tlsconfig.Speaking(serving, "other/1")
	calling, err := two.Client(tlsconfig.Policy{})
	require.NoError(t, err)
	call := func(server *tls.Config, protocols ...string) (tls.ConnectionState, error) {
		client, err := calling()
		require.NoError(t, err)
		client.ServerName, client.NextProtos = "localhost", protocols
		return handshake(t, server, client)
	}
	add := func(from, to tlsconfig.Server) []byte {
		before, err := os.ReadFile(to.TrustedCAFile)
		require.NoError(t, err)
		added, err := os.ReadFile(from.TrustedCAFile)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(to.TrustedCAFile, append(before, added...), 0o600))
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
	for _, half := range []string{"nonsense", ""} {
		require.NoError(t, os.WriteFile(one.TrustedCAFile, []byte(half), 0o600))
		_, err = call(serving)
		require.NoError(t, err, "a bundle that is being written anew")
	}
	require.NoError(t, os.WriteFile(two.TrustedCAFile, own, 0o600))
	_, err = call(serving)
	require.Error(t, err)
}

// Goal: a certificate of its own for calls is shown instead of the server's (--peer-client-cert-file was refused). Method: a
// server that knows the one for calls only.
func TestCertificateForCallsIsShown(t *testing.T) {
	one, two := vouchedFor(t), vouchedFor(t)
	caller := one
	caller.ClientCertFile, caller.ClientKeyFile = two.CertFile, two.KeyFile
	require.NoError(t, caller.Validate())
	server := one
	server.TrustedCAFile = two.TrustedCAFile
	serving, err := server.Config(tlsconfig.Policy{})
	require.NoError(t, err)
	client, err := caller.ClientConfig(tlsconfig.Policy{})
	require.NoError(t, err)
	client.ServerName = "localhost"
	_, err = handshake(t, serving, client)
	require.NoError(t, err)
	caller.ClientKeyFile = ""
	require.ErrorContains(t, caller.Validate(), "both or neither")
}
