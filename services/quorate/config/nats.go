package config

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"

	"github.com/quoratedb/quorate/pkg/tlsconfig"
)

// NATS is the listener for users' NATS clients, which may subscribe to events.
type NATS struct {
	// Listen is host:port, with or without nats:// before it. Empty, the default, means that there is none.
	Listen string
	// User and Password are asked of every client; if both are empty anybody is let in.
	User, Password string
	// TLS is shown to clients, if it has a certificate. Clients are not asked for theirs.
	TLS tlsconfig.Server
}

// Address is Listen without its scheme.
func (n NATS) Address() string { return strings.TrimPrefix(n.Listen, "nats://") }

// ServerTLS is nil without a certificate.
func (n NATS) ServerTLS(policy tlsconfig.Policy) (*tls.Config, error) {
	if n.TLS.Empty() {
		return nil, nil
	}
	made, err := n.TLS.Config(policy)
	if err != nil {
		return nil, fmt.Errorf("--nats-cert-file=%s --nats-key-file=%s: %w", n.TLS.CertFile, n.TLS.KeyFile, err)
	}
	made.NextProtos = nil
	return made, nil
}

func (n NATS) check(found *problems) {
	if n.Listen == "" {
		for _, unused := range []struct{ flag, value string }{
			{"nats-user", n.User}, {"nats-password", ""}, {"nats-cert-file", n.TLS.CertFile}, {"nats-key-file", n.TLS.KeyFile},
		} {
			if unused.value != "" {
				found.add(unused.flag, unused.value, "has no effect without --nats-listen")
			}
		}
		return
	}
	found.addError("nats-listen", n.Listen, checkHostPort(n.Address()))
	if (n.User == "") != (n.Password == "") {
		found.add("nats-user", n.User, "user and --nats-password are needed both, or neither")
	}
	if !n.TLS.Empty() {
		found.addError("nats-cert-file", n.TLS.CertFile, n.TLS.Validate())
	}
}

func checkHostPort(address string) error {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return errors.New("does not have the form host:port")
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return errors.New("has no port between 0 and 65535")
	}
	if host != "" && host != "localhost" && net.ParseIP(host) == nil {
		return errors.New("an IP address or localhost is wanted, not a host name")
	}
	return nil
}
