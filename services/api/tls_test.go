package api

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"os"
	"testing"

	"connectrpc.com/connect"
	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/peer"

	"github.com/quoratedb/quorate/pkg/tlsconfig"
	"github.com/quoratedb/quorate/services/api/internal/etcdconnect/etcdserverpbconnect"
)

// Goal: every protocol works through TLS beside a listener without, and methods see the client's certificate. Method: a
// put that reports what it knows about its client, by each protocol.
func TestTLS(t *testing.T) {
	certFile, keyFile, err := tlsconfig.SelfSigned(t.TempDir(), []string{"localhost"}, 1)
	require.NoError(t, err)
	certificate, err := tls.LoadX509KeyPair(certFile, keyFile)
	require.NoError(t, err)
	pem, err := os.ReadFile(certFile)
	require.NoError(t, err)
	roots := x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM(pem))

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	certificates := make(chan int, 1)
	services := fakeServices()
	services.KV = fakeKV{put: func(ctx context.Context, _ *etcdserverpb.PutRequest) (*etcdserverpb.PutResponse, error) {
		client, _ := peer.FromContext(ctx)
		info, ok := client.AuthInfo.(credentials.TLSInfo)
		if !ok {
			certificates <- -1
		} else {
			certificates <- len(info.State.PeerCertificates)
		}
		return &etcdserverpb.PutResponse{}, nil
	}}
	s := serve(t, services, func(cfg *Config) {
		cfg.TLSListeners = []net.Listener{listener}
		cfg.TLS = &tls.Config{
			Certificates: []tls.Certificate{certificate}, NextProtos: []string{"h2", "http/1.1"},
			ClientAuth: tls.RequestClientCert,
		}
	})
	_, port, err := net.SplitHostPort(listener.Addr().String())
	require.NoError(t, err)
	address := net.JoinHostPort("localhost", port)
	trust := func() *tls.Config {
		return &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{certificate}}
	}

	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(credentials.NewTLS(trust())))
	require.NoError(t, err)
	defer conn.Close()
	_, err = etcdserverpb.NewKVClient(conn).Put(within(t), &etcdserverpb.PutRequest{})
	require.NoError(t, err)
	require.Equal(t, 1, <-certificates)

	for name, c := range map[string]struct {
		choose  func(*http.Protocols)
		options []connect.ClientOption
	}{
		"Connect, HTTP/1.1":  {func(p *http.Protocols) { p.SetHTTP1(true) }, nil},
		"Connect, HTTP/2":    {func(p *http.Protocols) { p.SetHTTP2(true) }, []connect.ClientOption{connect.WithProtoJSON()}},
		"gRPC-Web, HTTP/1.1": {func(p *http.Protocols) { p.SetHTTP1(true) }, []connect.ClientOption{connect.WithGRPCWeb()}},
		"gRPC, HTTP/2":       {func(p *http.Protocols) { p.SetHTTP2(true) }, []connect.ClientOption{connect.WithGRPC()}},
	} {
		t.Run(name, func(t *testing.T) {
			https := client(t, c.choose)
			https.Transport.(*http.Transport).TLSClientConfig = trust()
			_, err := etcdserverpbconnect.NewKVClient(https, "https://"+address, c.options...).Put(within(t), &etcdserverpb.PutRequest{})
			require.NoError(t, err)
			require.Equal(t, 1, <-certificates)
		})
	}

	_, err = etcdserverpb.NewKVClient(dial(t, s.address)).Put(within(t), &etcdserverpb.PutRequest{})
	require.NoError(t, err)
	require.Equal(t, -1, <-certificates)
}

// Goal: a connection that begins with Connect may go on with gRPC, though not through grpc-go. Method: one HTTP/2
// connection, the one after the other.
func TestGRPCBehindConnect(t *testing.T) {
	s := serve(t, fakeServices(), nil)
	shared, url := h2(t), "http://"+s.address
	for _, options := range [][]connect.ClientOption{nil, {connect.WithGRPC()}, {connect.WithGRPCWeb()}} {
		got, err := etcdserverpbconnect.NewKVClient(shared, url, options...).Range(within(t), &etcdserverpb.RangeRequest{Key: []byte("k")})
		require.NoError(t, err)
		require.EqualValues(t, 1, got.GetCount())
	}
}
