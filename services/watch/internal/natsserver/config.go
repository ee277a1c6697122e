package natsserver

import (
	"cmp"
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
	// ownPendingPart bounds what the server holds for one of this process's connections, in units of what its client holds.
	ownPendingPart = 4

	// usersMax bounds the connections of users where nothing else is said, ownConnections are this process's beside them. NATS
	// would let 65,536 in.
	usersMax       = 1024
	ownConnections = 2
	// userSubscriptionsMax bounds the subscriptions of a connection: each that wants an event gets a copy.
	userSubscriptionsMax = 1024
	// userWriteDeadline is how long a user may take nothing of what waits for it until it is dropped.
	userWriteDeadline = 5 * time.Second
)

// Config says whom the server lets in. Logger, PayloadBytesMax and PendingBytesMax are required.
type Config struct {
	Logger *slog.Logger
	// PayloadBytesMax is the largest message.
	PayloadBytesMax int
	// PendingBytesMax is how much this process's clients keep for themselves. NATS has one figure for all connections: so
	// where users are let in it bounds what waits for each of them. At three quarters of it a user misses messages.
	PendingBytesMax int
	// Routes connect this process with other watch nodes. Nil means that there are none.
	Routes *Routes
	// Users lets users' NATS clients in. Nil means that there are none.
	Users *Users
}

// Users is the listener for users' NATS clients. They may subscribe to what PublisherUser publishes and to nothing else,
// and publish nothing: they have an account of their own.
type Users struct {
	// Listen is the address, host:port. Port 0 takes a free one.
	Listen string
	// User and Password are asked of every client; if both are empty anybody is let in.
	User, Password string
	// Keeper is asked about every client instead where the store has users of its own; nil where it has none.
	Keeper Keeper
	// Record is told what users asked for and what became of it, before they hear of it, where there is a Keeper; nil where nobody wants to
	// know. Its error refuses the log-in, or ends the connection that has subscribed. It may be called concurrently. With it NATS formats a
	// trace of each message to each user.
	Record func(Event) error
	// ConnectionsMax bounds the connections of users, 0 for usersMax.
	ConnectionsMax int
	// TLS is for https, nil for none.
	TLS *tls.Config
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

// serverOptions are those of the embedded NATS server, which this process is to come to with a password.
func (o Config) serverOptions(password string) (*server.Options, error) {
	made := &server.Options{
		ServerName:      fmt.Sprintf("quorate-watch-%016x", rand.Uint64()),
		DontListen:      true,
		NoSigs:          true,
		NoSystemAccount: true,
		MaxPayload:      int32(o.PayloadBytesMax),
		MaxPending:      int64(ownPendingPart * o.PendingBytesMax),
		// Who reads slowly misses messages, as all may; to wait for them would hold up those who do not.
		NoFastProducerStall: true,
	}
	if o.Routes == nil && o.Users == nil {
		return made, nil
	}
	// NATS accepts no routes before it listens for clients. Without users nobody is let in there: the password is not told.
	made.DontListen, made.Host, made.Port = false, "127.0.0.1", server.RANDOM_PORT
	if err := listenable(o.listens()...); err != nil {
		return nil, err
	}
	account := server.NewAccount(usersAccount)
	made.Accounts = []*server.Account{account}
	made.Users = []*server.User{
		{Username: InternalUser, Password: password},
		{Username: PublisherUser, Password: password, Account: account},
	}
	if o.Users != nil {
		if err := o.Users.admit(made, account, o.PendingBytesMax); err != nil {
			return nil, err
		}
	}
	if o.Users != nil && o.Users.Keeper != nil {
		if o.Users.Record != nil {
			made.MaxTracedMsgLen = 1 // nobody reads it
		}
		door := &entrance{guests: &guests{record: o.Users.Record, forgetAbove: 2 * usersMax}, own: map[string]*server.User{}, user: o.Users.User, password: o.Users.Password, keeper: o.Users.Keeper}
		for _, user := range made.Users[:ownConnections] {
			door.own[user.Username] = user
		}
		made.Users, made.NoAuthUser, made.CustomClientAuthentication = nil, "", door
	}
	if o.Routes == nil {
		return made, nil
	}
	host, port, err := splitAddress(o.Routes.Listen)
	if err != nil {
		return nil, err
	}
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

// listens are the addresses that somebody has chosen.
func (o Config) listens() (addresses []string) {
	if o.Routes != nil {
		addresses = append(addresses, o.Routes.Listen)
	}
	if o.Users != nil {
		addresses = append(addresses, o.Users.Listen)
	}
	return addresses
}

// admit adds the listener to the options.
func (u *Users) admit(options *server.Options, account *server.Account, pendingBytesMax int) (err error) {
	if options.Host, options.Port, err = splitAddress(u.Listen); err != nil {
		return err
	}
	options.MaxConn, options.MaxSubs = cmp.Or(u.ConnectionsMax, usersMax)+ownConnections, userSubscriptionsMax
	options.MaxPending = int64(pendingBytesMax)
	options.WriteDeadline = userWriteDeadline
	if u.User == InternalUser || u.User == PublisherUser {
		return fmt.Errorf("user %q of NATS is the store's own: choose another name", u.User)
	}
	user := subscriber(u.User, account, Rights{Everything: true})
	user.Password = u.Password
	if u.User == "" && u.Password == "" {
		user.Username, options.NoAuthUser = anonymousUser, anonymousUser
	}
	options.Users = append(options.Users, user)
	if u.TLS != nil {
		options.TLSConfig, options.TLSTimeout = u.TLS, server.TLS_TIMEOUT.Seconds()
	}
	return nil
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

// listenable fails if an address cannot be listened on: NATS would say so only in its log.
func listenable(addresses ...string) error {
	for _, address := range addresses {
		l, err := net.Listen("tcp", address)
		if err != nil {
			return err
		}
		_ = l.Close() // it has taken nothing
	}
	return nil
}
