package wire

import (
	encoding "encoding/hex"
	"fmt"
	"net"
	"net/url"
	"strings"
)

// A peer URL is http://host:port or https://host:port, or a socket of this host: unix://path or unixs://path, with TLS.
// HTTP has no word for a socket, so that for requests its path is made a host name, which the dialer takes apart again.

// socketDomain ends the host names that stand for sockets; it is reserved for what is no name in DNS.
const socketDomain = ".socket.invalid"

// SocketServerName is what the certificate of a member behind a socket must be valid for.
const SocketServerName = "localhost"

// ParseURL accepts the URLs that a member can be reached at.
func ParseURL(text string) (*url.URL, error) {
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

// RequestURL is what requests to a peer URL are made to, without a slash at the end. What does not parse is left as it is.
func RequestURL(text string) string {
	u, err := ParseURL(text)
	if err != nil || u.Scheme == "http" || u.Scheme == "https" {
		return strings.TrimSuffix(text, "/")
	}
	scheme := "http://"
	if u.Scheme == "unixs" {
		scheme = "https://"
	}
	return scheme + encoding.EncodeToString([]byte(u.Host+u.Path)) + socketDomain
}

// Endpoint is what a dialer takes for the address of a request or of a stream, and the name that a certificate must have.
func Endpoint(address string) (network, to, name string) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		host = address // without a port
	}
	if encoded, ok := strings.CutSuffix(host, socketDomain); ok {
		if path, err := encoding.DecodeString(encoded); err == nil {
			return "unix", string(path), SocketServerName
		}
	}
	return "tcp", address, host
}
