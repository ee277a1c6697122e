package broadcast

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"strconv"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

const (
	// clusterName is what the NATS servers of watch nodes have in common; those of another name refuse each other.
	clusterName = "quorate-watch"
	// routePingInterval is how often a route is tried while it is silent; it is given up after routePingsMax tries.
	routePingInterval = 2 * time.Second
	routePingsMax     = 2
	// routeWriteDeadline is how long a route's peer may take nothing before the route is given up.
	routeWriteDeadline = 5 * time.Second
	// serverPayloadsMax bounds what the server holds for one connection, in units of the largest payload.
	serverPayloadsMax = 4 * pendingPayloadsMax
)

// Options say how far the broadcast reaches. Log and PayloadBytesMax are required.
type Options struct {
	Log *slog.Logger
	// PayloadBytesMax is the largest message.
	PayloadBytesMax int
	// Routes connect this process with other watch nodes. Nil means that there are none.
	Routes *Routes
}

// Routes are the connections between the NATS servers of watch nodes.
type Routes struct {
	// Listen is the address, host:port, where other nodes come in. Port 0 takes a free one.
	Listen string
	// Peers are the addresses, host:port, of other nodes, and may hold this node's own. A name is looked up again and
	// again, and may have many addresses: nodes come and go. One node that knows another is enough, it tells the rest.
	Peers []string
	// TLS secures both ends of a route, nil for none. See RouteTLS.
	TLS *tls.Config
}

// internalUser is who this process is to its own NATS server, where that asks.
const internalUser = "quorate"

// serverOptions are those of the embedded NATS server, which this process is to come to with a password.
func (o Options) serverOptions(password string) (*server.Options, error) {
	made := &server.Options{
		ServerName:      fmt.Sprintf("quorate-watch-%016x", rand.Uint64()),
		DontListen:      true,
		NoSigs:          true,
		NoSystemAccount: true,
		MaxPayload:      int32(o.PayloadBytesMax),
		MaxPending:      int64(serverPayloadsMax * o.PayloadBytesMax),
	}
	if o.Routes == nil {
		return made, nil
	}
	host, port, err := splitAddress(o.Routes.Listen)
	if err != nil {
		return nil, err
	}
	// NATS accepts no routes before it listens for clients. Nobody is let in there: the one password is not told.
	made.DontListen, made.Host, made.Port = false, "127.0.0.1", server.RANDOM_PORT
	made.Users = []*server.User{{Username: internalUser, Password: password}}
	made.Cluster = server.ClusterOpts{
		Name:          clusterName,
		Host:          host,
		Port:          port,
		PoolSize:      -1, // one connection: there is one subject of weight
		TLSConfig:     o.Routes.TLS,
		TLSTimeout:    server.TLS_TIMEOUT.Seconds(),
		PingInterval:  routePingInterval,
		MaxPingsOut:   routePingsMax,
		WriteDeadline: routeWriteDeadline,
	}
	return made, nil
}

func splitAddress(address string) (host string, port int, err error) {
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		return "", 0, fmt.Errorf("address %q is not host:port", address)
	}
	if port, err = strconv.Atoi(text); err != nil {
		return "", 0, fmt.Errorf("port of %q is not a number", address)
	}
	if port == 0 {
		port = server.RANDOM_PORT
	}
	return host, port, nil
}

func startServer(log *slog.Logger, options *server.Options) (*server.Server, error) {
	s, err := server.NewServer(options)
	if err != nil {
		return nil, fmt.Errorf("create NATS server: %w", err)
	}
	s.SetLoggerV2(serverLog{log}, false, false, false)
	s.Start()
	if !s.ReadyForConnections(startTimeout) {
		s.Shutdown()
		s.WaitForShutdown()
		return nil, fmt.Errorf("NATS server is not ready after %v", startTimeout)
	}
	return s, nil
}
