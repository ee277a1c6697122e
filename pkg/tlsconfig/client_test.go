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
