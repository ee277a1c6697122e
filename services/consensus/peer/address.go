package peer

import (
	"context"
	"crypto/tls"
	encoding "encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"

	"github.com/quoratedb/quorate/pkg/tlsconfig"
)

// A peer URL is http://host:port or https://host:port, or a socket of this host: unix://path or unixs://path, with TLS.
// HTTP has no word for a socket, so that for requests its path is made a host name, which the dialer takes apart again.

// socketDomain ends the host names that stand for sockets; it is reserved for what is no name in DNS.
const socketDomain = ".socket.invalid"

// socketServerName is what the certificate of a member behind a socket must be valid for.
const socketServerName = "localhost"

// parseURL accepts the URLs that a member can be reached at.
func parseURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("peer URL: %w", err)
	}
	switch u.Scheme {
	case "http", "https":
		if u.Hostname() != "" && u.Port() != "" {
			return u, nil
		}
	case "unix", "unixs":
		if u.Host+u.Path != "" {
			return u, nil
		}
	}
	return nil, fmt.Errorf("peer URL %q is not of the form http://host:port, https://host:port, unix://path or unixs://path", text)
}

// requestURL is what requests to a peer URL are made to, without a slash at the end. What does not parse is left as it is.
func requestURL(text string) string {
	u, err := parseURL(text)
	if err != nil || u.Scheme == "http" || u.Scheme == "https" {
		return strings.TrimSuffix(text, "/")
	}
	scheme := "http://"
	if u.Scheme == "unixs" {
		scheme = "https://"
	}
	return scheme + encoding.EncodeToString([]byte(u.Host+u.Path)) + socketDomain
}

// endpoint is what a dialer takes for the address of a request or of a stream, and the name that a certificate must have.
func endpoint(address string) (network, to, name string) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		host = address // without a port
	}
	if encoded, ok := strings.CutSuffix(host, socketDomain); ok {
		if path, err := encoding.DecodeString(encoded); err == nil {
			return "unix", string(path), socketServerName
		}
	}
	return "tcp", address, host
}

// dialer makes the connections to other members.
type dialer struct {
	net.Dialer
	client tlsconfig.Client
}

func newDialer(client tlsconfig.Client, local net.IP) *dialer {
	d := &dialer{Dialer: net.Dialer{Timeout: dialTimeout}, client: client}
	if local != nil {
		d.LocalAddr = &net.TCPAddr{IP: local}
	}
	return d
}

// plain dials the address of a request, without TLS.
func (d *dialer) plain(ctx context.Context, address string) (net.Conn, error) {
	network, to, _ := endpoint(address)
	if network == "unix" {
		return (&net.Dialer{Timeout: dialTimeout}).DialContext(ctx, network, to)
	}
	return d.DialContext(ctx, network, to)
}

// secure dials it with TLS, for one of the protocols.
func (d *dialer) secure(ctx context.Context, address string, protocols ...string) (net.Conn, error) {
	config := &tls.Config{}
	if d.client != nil {
		var err error
		if config, err = d.client(); err != nil {
			return nil, fmt.Errorf("TLS: %w", err)
		}
	}
	if config.ServerName == "" {
		_, _, config.ServerName = endpoint(address)
	}
	config.NextProtos = protocols
	conn, err := d.plain(ctx, address)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, handshakeTimeout)
	defer cancel()
	wrapped := tls.Client(conn, config)
	if err := wrapped.HandshakeContext(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("TLS: %w", err), closeQuietly(conn))
	}
	return wrapped, nil
}
