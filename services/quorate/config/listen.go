package config

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"syscall"
)

// Endpoint is an open listener and what it is called.
type Endpoint struct {
	net.Listener
	URL *url.URL // with the port that is really used
}

// Listen opens a listener for each of the URLs, which Validate has accepted. Port 0 takes a free port. What was opened
// is returned with an error too.
func Listen(flag string, texts []string) ([]*Endpoint, error) {
	var opened []*Endpoint
	for _, text := range texts {
		u, err := ParseURL(text)
		if err != nil {
			return opened, fmt.Errorf("--%s=%s: %w", flag, text, err)
		}
		listener, err := net.Listen(address(u))
		if err != nil {
			return opened, fmt.Errorf("--%s=%s: %s: %w", flag, text, advice(err), err)
		}
		if bound, ok := listener.Addr().(*net.TCPAddr); ok {
			u.Host = net.JoinHostPort(u.Hostname(), strconv.Itoa(bound.Port))
		}
		opened = append(opened, &Endpoint{listener, u})
	}
	return opened, nil
}

// advice says what to do about an address that cannot be listened on.
func advice(err error) string {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return "another program listens there: stop it or choose another port"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return "this host does not have that address: choose one of its own"
	case errors.Is(err, syscall.EACCES):
		return "this user may not listen there: choose a port above 1023 or give it the right to"
	default:
		return "cannot listen there"
	}
}

// CloseAll closes listeners.
func CloseAll(endpoints []*Endpoint) {
	for _, e := range endpoints {
		_ = e.Close() // nothing was sent or kept
	}
}

// URLTexts are the URLs of listeners, with the ports that are really used.
func URLTexts(endpoints []*Endpoint) []string {
	texts := make([]string, 0, len(endpoints))
	for _, e := range endpoints {
		texts = append(texts, e.URL.String())
	}
	return texts
}
