package natsserver

import (
	"context"
	cryptorand "crypto/rand"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"slices"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/quoratedb/quorate/pkg/rpc/resolver"
)

const (
	// startTimeout bounds how long the server may take until clients can connect.
	startTimeout = 10 * time.Second
	// lookUpInterval is how often the names of peers are looked up, and so about how long a node that appeared stays
	// unknown to one that knows nobody else.
	lookUpInterval = 3 * time.Second
)

// Server is an embedded NATS server. One goroutine at a time may call FollowRoutes; all else may be called concurrently.
type Server struct {
	// NATS is the server itself.
	NATS     *server.Server
	log      *slog.Logger
	password string
	routes   *Routes
	users    bool            // are let in
	guests   *guests         // nil where no keeper is asked about them
	options  *server.Options // FollowRoutes changes them
}

// Start starts a server, which Stop must be called to end, and waits until clients can connect.
func Start(o Config) (*Server, error) {
	s := &Server{log: o.Logger, password: cryptorand.Text(), routes: o.Routes, users: o.Users != nil}
	var err error
	if s.options, err = o.serverOptions(s.password); err != nil {
		return nil, err
	}
	if s.NATS, err = server.NewServer(s.options); err != nil {
		return nil, fmt.Errorf("create NATS server: %w", err)
	}
	log, trace := serverLog{log: s.log}, false
	if door, ok := s.options.CustomClientAuthentication.(*entrance); ok {
		door.nats, s.guests = s.NATS, door.guests
		if trace = door.guests.record != nil; trace {
			log.traced = func(format string, v []any) { s.guests.traced(s.NATS, format, v) }
		}
	}
	s.NATS.SetLoggerV2(log, false, trace, false)
	s.NATS.Start()
	if !s.NATS.ReadyForConnections(startTimeout) {
		s.Stop()
		return nil, fmt.Errorf("NATS server is not ready after %v", startTimeout)
	}
	return s, nil
}

// Dial connects to the server within the process, as InternalUser or PublisherUser.
func (s *Server) Dial(user string, options ...nats.Option) (*nats.Conn, error) {
	return nats.Connect("", append(options, nats.InProcessServer(s.NATS), nats.UserInfo(user, s.password))...)
}

// FollowRoutes keeps the routes at what the names of Routes.Peers stand for, until ctx ends. NATS would look a name up
// once for a connection, take one of its addresses by chance, and be content if that was its own.
func (s *Server) FollowRoutes(ctx context.Context) error {
	if s.routes == nil {
		<-ctx.Done()
		return ctx.Err()
	}
	ticker := time.NewTicker(lookUpInterval)
	defer ticker.Stop()
	names := names{peers: s.routes.Peers, lookUp: net.DefaultResolver.LookupHost, known: resolver.Known{}}
	var set []string
	for {
		found := names.look(ctx, s.log)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if !slices.Equal(found, set) {
			if err := s.setRoutes(found); err != nil {
				return err
			}
			set = found
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
}

// setRoutes has the server connect to these addresses, and give up those that it was told before.
func (s *Server) setRoutes(addresses []string) error {
	s.log.Debug("watch nodes looked up", "addresses", addresses)
	options := s.options.Clone()
	options.Routes = nil
	for _, address := range addresses {
		options.Routes = append(options.Routes, &url.URL{Scheme: "nats", Host: address})
	}
	if err := s.NATS.ReloadOptions(options); err != nil {
		return fmt.Errorf("set routes to %v: %w", addresses, err)
	}
	s.options = options
	return nil
}

// UsersAddress is where users' NATS clients come in, nil if nowhere.
func (s *Server) UsersAddress() net.Addr {
	if !s.users {
		return nil
	}
	return s.NATS.Addr()
}

// RouteCount tells to how many other nodes there are routes.
func (s *Server) RouteCount() int { return s.NATS.NumRemotes() }

// RouteAddress is where other nodes come in, nil without routes.
func (s *Server) RouteAddress() *net.TCPAddr {
	if s.routes == nil {
		return nil
	}
	return s.NATS.ClusterAddr()
}

// Stop stops the server and waits for it. It may be called twice.
func (s *Server) Stop() {
	s.NATS.Shutdown()
	s.NATS.WaitForShutdown()
}

// ReviewUsers has those come in anew whose rights may be others now that authentication stands like this, or all. Who has not come in yet is asked then.
func (s *Server) ReviewUsers(now Standing, all bool) error {
	if s.guests == nil {
		return nil
	}
	s.guests.review(now, all)
	connections, err := s.NATS.Connz(&server.ConnzOptions{Username: true, Subscriptions: s.guests.record != nil, Limit: usersMax + s.options.MaxConn})
	if err != nil {
		return fmt.Errorf("list NATS clients: %w", err)
	}
	var ended []*server.ConnInfo
	for _, c := range connections.Conns {
		if own := c.AuthorizedUser == InternalUser || c.AuthorizedUser == PublisherUser; !own && (all || s.guests.leaves(c.Cid, now)) {
			ended = append(ended, c)
			_ = s.NATS.DisconnectClientByID(c.Cid) // it fails for one that has left meanwhile, and for nothing else
		}
	}
	if s.guests.record == nil {
		return nil
	}
	if err := s.guests.ended(ended); err != nil {
		s.log.Error("the ends of NATS clients' connections are not on record", slog.Any("error", err), slog.Int("connections", len(ended)))
	}
	return nil
}
