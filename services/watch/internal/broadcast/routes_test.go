package broadcast

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/quoratedb/quorate/services/watch/internal/natsserver"
)

// openRouted opens a bus with a listener for routes, which knows these peers, until the test ends.
func openRouted(t testing.TB, routes *natsserver.Routes) *Bus {
	t.Helper()
	routes.Listen = "127.0.0.1:0"
	bus, err := Open(Config{Logger: slog.New(slog.DiscardHandler), PayloadBytesMax: 1 << 20, Routes: routes})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- bus.server.FollowRoutes(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.ErrorIs(t, <-ended, context.Canceled)
		bus.Close()
	})
	return bus
}

// receiveThrough publishes on one bus until another receives something of it.
func receiveThrough(t testing.TB, from, to *Bus) {
	t.Helper()
	mark := fmt.Sprint(from.Node())
	for range 400 {
		_, err := from.Publish(&Message{Store: []byte(mark)})
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		got, err := to.Receive(ctx)
		for err == nil && string(got.Store) != mark { // its own
			got, err = to.Receive(ctx)
		}
		cancel()
		if err == nil {
			return
		}
	}
	t.Fatal("nothing comes through")
}

// Goal: what one node publishes every other receives, those too that only know of each other through a third; nodes
// hear each other's interest and claims; and an end leaves nothing behind. Method: three buses on loopback, two of
// which know the first by name.
func TestRoutes(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	t.Run("nodes", func(t *testing.T) {
		first := openRouted(t, &natsserver.Routes{})
		_, port, err := net.SplitHostPort(first.server.RouteAddress().String())
		require.NoError(t, err)
		peers := []string{"localhost:" + port}
		second, third := openRouted(t, &natsserver.Routes{Peers: peers}), openRouted(t, &natsserver.Routes{Peers: peers})
		for _, from := range []*Bus{first, second, third} {
			for _, to := range []*Bus{first, second, third} {
				receiveThrough(t, from, to)
			}
		}
		require.Equal(t, 2, first.server.RouteCount())
		until(t, func() error { return third.Announce(true) }, second.InterestChanged())
		claim := Claim{Term: 7, Node: second.Node()}
		for _, hears := range []*Bus{first, third} {
			require.Equal(t, claim, until(t, func() error { return second.Claim(claim) }, hears.Claims()))
		}
		require.Empty(t, second.Claims(), "its own")
	})
}

// until does again and again what NATS may lose, until its effect is there.
func until[T any](t *testing.T, act func() error, effect <-chan T) T {
	t.Helper()
	for range 400 {
		require.NoError(t, act())
		select {
		case got := <-effect:
			return got
		case <-time.After(50 * time.Millisecond):
		}
	}
	t.Fatal("nothing comes through")
	panic("unreachable")
}

// authority makes certificates of nodes that trust each other.
type authority struct {
	pool        *x509.CertPool
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	a := &authority{pool: x509.NewCertPool(), key: key}
	a.certificate = a.sign(t, &x509.Certificate{
		SerialNumber: big.NewInt(1), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign, NotAfter: time.Now().Add(time.Hour),
	}, key)
	a.pool.AddCert(a.certificate)
	return a
}

func (a *authority) sign(t *testing.T, template *x509.Certificate, key *ecdsa.PrivateKey) *x509.Certificate {
	parent := a.certificate
	if parent == nil {
		parent = template
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), a.key)
	require.NoError(t, err)
	made, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return made
}

// routes are those of a node with a certificate for a name, whose peers are to be called localhost.
func (a *authority) routes(t *testing.T, name string) *natsserver.Routes {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	leaf := a.sign(t, &x509.Certificate{
		SerialNumber: big.NewInt(2), DNSNames: []string{name}, NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}, key)
	shown := tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: key}
	asServer := &tls.Config{Certificates: []tls.Certificate{shown}, ClientCAs: a.pool, ClientAuth: tls.RequireAndVerifyClientCert}
	asClient := func() *tls.Config {
		return &tls.Config{RootCAs: a.pool, Certificates: []tls.Certificate{shown}}
	}
	return &natsserver.Routes{TLS: natsserver.RouteTLS(asServer, asClient, []string{"localhost:1"})}
}

// Goal: routes over TLS come about between nodes of one authority whose certificates are valid for a name among the
// peers, and with nobody else. Method: two such nodes, and one with another name, of another authority, without TLS.
func TestRoutesOverTLS(t *testing.T) {
	ours, theirs := newAuthority(t), newAuthority(t)
	first := openRouted(t, ours.routes(t, "localhost"))
	peers := []string{fmt.Sprintf("localhost:%d", first.server.RouteAddress().Port)}
	join := func(routes *natsserver.Routes) *Bus {
		routes.Peers = peers
		return openRouted(t, routes)
	}
	second := join(ours.routes(t, "localhost"))
	receiveThrough(t, first, second)
	receiveThrough(t, second, first)
	for _, stranger := range []*Bus{join(ours.routes(t, "other")), join(theirs.routes(t, "localhost")), join(&natsserver.Routes{})} {
		for through := range int64(20) {
			_, err := first.Publish(&Message{Through: through})
			require.NoError(t, err)
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			_, err = stranger.Receive(ctx)
			cancel()
			require.ErrorIs(t, err, context.DeadlineExceeded)
		}
	}
	require.Equal(t, 1, first.server.RouteCount())
}
