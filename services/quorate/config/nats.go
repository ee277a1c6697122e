package config

import (
	"crypto/tls"
	"errors"
	"log/slog"
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

// tls is TLS with the names of its flags.
func (n NATS) tls() tlsconfig.Server {
	made := n.TLS
	made.Flags = tlsconfig.FlagsOf("nats-", "nats-")
	return made
}

// ServerTLS is nil without a certificate. log is told later what becomes of the files.
func (n NATS) ServerTLS(policy tlsconfig.Policy, log *slog.Logger) (*tls.Config, error) {
	if n.TLS.Empty() {
		return nil, nil
	}
	server := n.tls()
	server.Log = log
	made, err := server.Config(policy)
	if err != nil {
		return nil, err
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
		found.join(n.tls().Validate())
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
