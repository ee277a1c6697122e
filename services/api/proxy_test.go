package api

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
)

// Goal: a proxy ends at once although a member does not answer what it was asked. Method: a member that takes every request and is silent.
func TestProxyStopsBesideASilentMember(t *testing.T) {
	asked := make(chan struct{}, 1)
	member, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	silent := grpc.NewServer(grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error {
		select {
		case asked <- struct{}{}:
		default:
		}
		<-stream.Context().Done()
		return nil
	}))
	go func() { _ = silent.Serve(member) }()
	defer silent.Stop()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	proxy, err := NewProxy(Config{Logger: quiet(), Listeners: []net.Listener{listener}, RequestTimeout: time.Minute}, Upstream{Endpoints: []string{member.Addr().String()}})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- proxy.Run(ctx) }()
	<-asked // who it is
	cancel()
	select {
	case err := <-ended:
		require.NoError(t, err)
	case <-time.After(10 * time.Second):
		t.Fatal("the proxy waits for the member")
	}
}

// Goal: a proxy says what is wrong with its settings before it serves. Method: no endpoint, and one that is none.
func TestProxyIsChecked(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	cfg := Config{Logger: quiet(), Listeners: []net.Listener{listener}}
	_, err = NewProxy(cfg, Upstream{})
	require.ErrorContains(t, err, "no endpoints")
	_, err = NewProxy(cfg, Upstream{Endpoints: []string{"ftp://m1:2379"}})
	require.ErrorContains(t, err, "ftp://m1:2379")
	_, err = NewProxy(Config{Logger: quiet()}, Upstream{Endpoints: []string{"m1:2379"}})
	require.ErrorContains(t, err, "no listener")
}
