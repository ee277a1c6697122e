package front

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"time"
)

const (
	// probeEvery is the time between two looks at the nodes, and between two questions for their addresses.
	probeEvery = 500 * time.Millisecond
	// probeWithin is how long a node may take to say that it is ready.
	probeWithin = time.Second
	// failuresMax is how many looks in a row must fail before a node's connections are ended. An election makes a node unready for a moment.
	failuresMax = 3
	// dialWithin is how long a node may take to accept a connection before the next one is tried.
	dialWithin = time.Second
	// connectionsMax bounds the connections under way; more wait in the kernel.
	connectionsMax = 16384
)

// Config says what to pass on, and where to. Every field must be set.
type Config struct {
	// Host names the nodes, by one or more addresses, which may change at any time.
	Host string
	// Listeners are where clients come, by the port of the nodes that their connections are passed on to. Run closes them.
	Listeners map[int]*net.TCPListener
	// ReadyPort is where the nodes answer GET /readyz over HTTP: 200 when they are ready, anything else when they are alive.
	ReadyPort int
	// Lookup resolves Host, as net.Resolver.LookupNetIP does for "ip".
	Lookup func(ctx context.Context, host string) ([]netip.Addr, error)
	Log    *slog.Logger
}

// Validate reports everything that is missing.
func (c Config) Validate() error {
	var wrong []error
	if c.Host == "" {
		wrong = append(wrong, errors.New("no host whose addresses are the nodes"))
	}
	if len(c.Listeners) == 0 {
		wrong = append(wrong, errors.New("no port to pass on"))
	}
	for port := range c.Listeners {
		wrong = append(wrong, validPort(port))
	}
	wrong = append(wrong, validPort(c.ReadyPort))
	if c.Lookup == nil || c.Log == nil {
		wrong = append(wrong, errors.New("no resolver or no log"))
	}
	return errors.Join(wrong...)
}

func validPort(port int) error {
	if port < 1 || port > 65535 {
		return fmt.Errorf("%d is no port: it is 1 to 65535", port)
	}
	return nil
}
