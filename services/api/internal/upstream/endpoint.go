package upstream

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"
)

// dialMax is how long a member has to take a connection.
const dialMax = 3 * time.Second

// Endpoint is where a member serves clients.
type Endpoint struct {
	// Address is host:port, or the path of a socket.
	Address string
	// TLS says that it speaks TLS there.
	TLS    bool
	socket bool
}

// ParseEndpoint reads host:port, a URL with http or https, or a socket's with unix or unixs. Without a scheme, secure says whether TLS is spoken.
func ParseEndpoint(text string, secure bool) (Endpoint, error) {
	text = strings.TrimSpace(text)
	scheme, rest, found := strings.Cut(text, "://")
	if !found {
		scheme, rest = "", text
	}
	e := Endpoint{TLS: secure}
	switch scheme {
	case "":
	case "http":
		e.TLS = false
	case "https":
		e.TLS = true
	case "unix", "unixs":
		e = Endpoint{Address: rest, TLS: scheme == "unixs", socket: true}
	default:
		return e, fmt.Errorf("endpoint %q: its scheme is not http, https, unix or unixs", text)
	}
	if e.socket {
		if rest == "" {
			return e, fmt.Errorf("endpoint %q names no socket", text)
		}
		return e, nil
	}
	u, err := url.Parse("//" + rest)
	if err != nil || u.Hostname() == "" || u.Port() == "" || (u.Path != "" && u.Path != "/") {
		return e, fmt.Errorf("endpoint %q is no host:port or URL with a port", text)
	}
	e.Address = u.Host
	return e, nil
}

// Socket says that it is a socket of this host.
func (e Endpoint) Socket() bool { return e.socket }

func (e Endpoint) target() string {
	if e.socket {
		return "unix:" + e.Address
	}
	return "passthrough:///" + e.Address
}

// String returns the endpoint's URL.
func (e Endpoint) String() string {
	scheme := "http"
	if e.socket {
		scheme = "unix"
	}
	if e.TLS {
		scheme += "s"
	}
	return scheme + "://" + e.Address
}

// Dial connects to the endpoint, for what is no gRPC.
func (e Endpoint) Dial(ctx context.Context) (net.Conn, error) {
	network := "tcp"
	if e.socket {
		network = "unix"
	}
	return (&net.Dialer{Timeout: dialMax}).DialContext(ctx, network, e.Address)
}
