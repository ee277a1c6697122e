package resolver

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"time"

	"github.com/quoratedb/quorate/pkg/tlsconfig"
)

const (
	// dialTimeout bounds a connection's making, handshakes included.
	dialTimeout = 3 * time.Second
	// pingAfter is how long nothing may arrive from a node before it is pinged, and pingTimeout how long it has to answer.
	// Together they are how long a node that is paused, or cut off without a word, passes for alive.
	pingAfter   = 1 * time.Second
	pingTimeout = 2 * time.Second
	// windowBytes is how much a node may send on a stream before it is read: a batch of large values should not wait for a
	// round trip.
	windowBytes = 4 << 20
)

// Node is one address behind an endpoint.
type Node struct {
	// URL is the endpoint, which a client's requests are made to. Client takes them to Address, whatever the name in URL
	// means at that moment.
	URL, Address string
	// Rank is the place of the endpoint among those that are named, 0 for the first.
	Rank      int
	Client    *http.Client
	transport *http.Transport
}

// newNode makes a node that is called with TLS if name, which its certificate must have, is not empty.
func newNode(rank int, url, address, name string, client tlsconfig.Client) *Node {
	protocols := new(http.Protocols)
	if name == "" {
		protocols.SetUnencryptedHTTP2(true)
	} else {
		protocols.SetHTTP2(true)
	}
	dialer := net.Dialer{Timeout: dialTimeout}
	transport := &http.Transport{
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, network, address)
		},
		DialTLSContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return dialTLS(ctx, &dialer, network, address, name, client)
		},
		DisableCompression: true, // services are near each other, and CPU is what a hop costs
		Protocols:          protocols,
		HTTP2: &http.HTTP2Config{
			MaxReceiveBufferPerConnection: windowBytes,
			MaxReceiveBufferPerStream:     windowBytes,
			SendPingTimeout:               pingAfter,
			PingTimeout:                   pingTimeout,
		},
	}
	return &Node{Rank: rank, URL: url, Address: address, Client: &http.Client{Transport: transport}, transport: transport}
}

// dialTLS takes the authorities as they are now. A nil client trusts the system's.
func dialTLS(ctx context.Context, dialer *net.Dialer, network, address, name string, client tlsconfig.Client) (net.Conn, error) {
	config := &tls.Config{}
	if client != nil {
		config = client()
	}
	config.ServerName = name
	config.NextProtos = []string{"h2"}
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	conn, err := dialer.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	secure := tls.Client(conn, config)
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = conn.Close() // it is of no use
		return nil, err
	}
	return secure, nil
}

// Close closes the node's connection once nothing uses it any more.
func (n *Node) Close() { n.transport.CloseIdleConnections() }
