package certs_test

import (
	"crypto/tls"
	"net"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/quoratedb/quorate/tests/faults/chaos/certs"
)

// Goal: a member's certificate convinces a client of the same authority, and the other way round. Method: a handshake over a pipe.
func TestHandshake(t *testing.T) {
	a, err := certs.New(t.TempDir())
	require.NoError(t, err)
	files, err := a.Issue("m1", "10.0.0.1", "10.0.0.2")
	require.NoError(t, err)
	pair, err := tls.LoadX509KeyPair(files.Cert, files.Key)
	require.NoError(t, err)
	config, err := a.Client("client")
	require.NoError(t, err)

	ours, theirs := net.Pipe()
	served := make(chan error, 1)
	server := tls.Server(theirs, &tls.Config{Certificates: []tls.Certificate{pair}, ClientCAs: config.RootCAs, ClientAuth: tls.RequireAndVerifyClientCert})
	go func() { served <- server.Handshake() }()
	config.ServerName = "10.0.0.2"
	client := tls.Client(ours, config)
	require.NoError(t, client.Handshake())
	require.NoError(t, <-served)
	require.Equal(t, "client", server.ConnectionState().PeerCertificates[0].Subject.CommonName)
}
