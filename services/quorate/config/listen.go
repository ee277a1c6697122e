package config

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strconv"
	"syscall"
	"time"

	"github.com/quoratedb/quorate/pkg/founders"
)

// Endpoint is an open listener and what it is called.
type Endpoint struct {
	net.Listener
	URL *url.URL // with the port that is really used
}

// Listen opens a listener for each of the URLs, which Validate has accepted; http and https at one address share theirs.
// Port 0 takes a free port. What was opened is returned with an error too.
func Listen(flag string, texts []string) ([]*Endpoint, error) {
	var opened []*Endpoint
	shared := map[string]net.Listener{}
	for _, text := range texts {
		u, err := founders.ParseURL(text)
		if err != nil {
			return opened, fmt.Errorf("--%s=%s: %w", flag, text, err)
		}
		_, address := address(u)
		listener := shared[address]
		if listener == nil {
			if listener, err = listen(u); err != nil {
				return opened, fmt.Errorf("--%s=%s: %s: %w", flag, text, advice(err), err)
			}
		}
		if shared[address] = listener; u.Port() == "0" {
			delete(shared, address) // another port each time
		}
		if bound, ok := listener.Addr().(*net.TCPAddr); ok {
			u.Host = net.JoinHostPort(u.Hostname(), strconv.Itoa(bound.Port))
		}
		opened = append(opened, &Endpoint{listener, u})
	}
	return opened, nil
}

// socketTimeout bounds finding out whether somebody listens on a socket: on this host, that is told at once.
const socketTimeout = time.Second

// listen replaces the file of a socket on which nobody listens: a member that was killed leaves one.
func listen(u *url.URL) (net.Listener, error) {
	network, address := address(u)
	listener, err := net.Listen(network, address)
	if err == nil || !isSocket(u) || !errors.Is(err, syscall.EADDRINUSE) {
		return listener, err
	}
	info, statErr := os.Lstat(address)
	if statErr != nil || info.Mode().Type() != os.ModeSocket {
		return nil, err
	}
	conn, dialErr := net.DialTimeout(network, address, socketTimeout)
	if dialErr == nil {
		_ = conn.Close() // it has shown that somebody is there
		return nil, err
	}
	if !errors.Is(dialErr, syscall.ECONNREFUSED) {
		return nil, err
	}
	if err := os.Remove(address); err != nil {
		return nil, fmt.Errorf("remove the socket that is left of another process: %w", err)
	}
	return net.Listen(network, address)
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
