// Package dial makes connections to other members, and the HTTP transports on them. It knows neither who the members are
// nor what is asked of them.
package dial

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"time"

	"github.com/quoratedb/quorate/pkg/tlsconfig"
	"github.com/quoratedb/quorate/services/consensus/peer/internal/wire"
)

// Limits of making a connection and of asking, with the reason for each.
const (
	// dialTimeout bounds making a connection, HandshakeTimeout everything from there to the peer's acceptance. A lost
	// packet of a dial is sent again after a second, and after three: a new dial finds a healed network sooner.
	dialTimeout      = time.Second
	HandshakeTimeout = 3 * time.Second
	// headerTimeout bounds how long another member may take to begin its answer.
	headerTimeout = 10 * time.Second
	// idleTimeout is how long a connection to another member is kept without a request.
	idleTimeout = 90 * time.Second
)

// Dialer makes the connections to other members.
type Dialer struct {
	net.Dialer
	client tlsconfig.Client
}

// New returns a dialer from the address local, nil for what the machine chooses.
func New(client tlsconfig.Client, local net.IP) *Dialer {
	d := &Dialer{Dialer: net.Dialer{Timeout: dialTimeout}, client: client}
	if local != nil {
		d.LocalAddr = &net.TCPAddr{IP: local}
	}
	return d
}

// Plain dials the address of a request, without TLS.
func (d *Dialer) Plain(ctx context.Context, address string) (net.Conn, error) {
	network, to, _ := wire.Endpoint(address)
	if network == "unix" {
		return (&net.Dialer{Timeout: dialTimeout}).DialContext(ctx, network, to)
	}
	return d.DialContext(ctx, network, to)
}

// Secure dials it with TLS, for one of the protocols.
func (d *Dialer) Secure(ctx context.Context, address string, protocols ...string) (net.Conn, error) {
	config := &tls.Config{}
	if d.client != nil {
		config = d.client()
	}
	if config.ServerName == "" {
		_, _, config.ServerName = wire.Endpoint(address)
	}
	config.NextProtos = protocols
	conn, err := d.Plain(ctx, address)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, HandshakeTimeout)
	defer cancel()
	wrapped := tls.Client(conn, config)
	if err := wrapped.HandshakeContext(ctx); err != nil {
		_ = conn.Close() // given up for another reason
		return nil, fmt.Errorf("TLS: %w", err)
	}
	return wrapped, nil
}
