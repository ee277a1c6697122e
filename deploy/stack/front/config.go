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
	// acceptPauseMin and acceptPauseMax are how long accepting rests after it has failed, doubled from one to the other:
	// where there are no descriptors left, a connection that ends gives some back.
	acceptPauseMin = 5 * time.Millisecond
	acceptPauseMax = time.Second
	// acceptLogged is how often it is logged that accepting fails.
	acceptLogged = 10 * time.Second
	// halfClosedIdle is how long nothing may come from one side of a connection after the other has said its last: answers
	// begin earlier, and a side that forgot to close would keep the connection for ever.
	halfClosedIdle = 5 * time.Minute
	// unreadMax is how long one side may leave unread what was passed on to it.
	unreadMax = 2 * time.Minute
)

// Listener is where clients come in. A *net.TCPListener is one.
type Listener interface {
	AcceptTCP() (*net.TCPConn, error)
	Addr() net.Addr
	Close() error
}

// Config says what to pass on, and where to. Every field must be set.
type Config struct {
	// Host names the nodes, by one or more addresses, which may change at any time.
	Host string
	// Listeners are where clients come, by the port of the nodes that their connections are passed on to. Run closes them.
	Listeners map[int]Listener
	// ReadyPort is where the nodes answer GET /readyz over HTTP: 200 when they are ready, anything else when they are alive.
	ReadyPort int
	// Lookup resolves Host, as net.Resolver.LookupNetIP does for "ip".
	Lookup func(ctx context.Context, host string) ([]netip.Addr, error)
	// ConnectionsMax bounds the connections under way; more wait in the kernel.
	ConnectionsMax int
	Logger         *slog.Logger
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
	if c.ConnectionsMax < 1 {
		wrong = append(wrong, errors.New("no connection allowed"))
	}
	if c.Lookup == nil || c.Logger == nil {
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
