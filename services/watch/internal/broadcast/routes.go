package broadcast

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/url"
	"slices"
	"time"

	"github.com/quoratedb/quorate/pkg/rpc/resolver"
	"github.com/quoratedb/quorate/pkg/tlsconfig"
)

const (
	// lookUpInterval is how often the names of peers are looked up, and so about how long a node that appeared stays
	// unknown to one that knows nobody else.
	lookUpInterval = 3 * time.Second
	// lookUpTimeout bounds one look.
	lookUpTimeout = 2 * time.Second
)

// FollowRoutes keeps the routes at what the names of Routes.Peers stand for, until ctx ends. NATS would look a name up
// once for a connection, take one of its addresses by chance, and be content if that was its own.
func (b *Bus) FollowRoutes(ctx context.Context) error {
	if b.routes == nil {
		<-ctx.Done()
		return ctx.Err()
	}
	ticker := time.NewTicker(lookUpInterval)
	defer ticker.Stop()
	names := names{peers: b.routes.Peers, lookUp: net.DefaultResolver.LookupHost, known: resolver.Known{}}
	var set []string
	for {
		found := names.look(ctx, b.log)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if !slices.Equal(found, set) {
			if err := b.setRoutes(found); err != nil {
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
func (b *Bus) setRoutes(addresses []string) error {
	b.log.Debug("watch nodes looked up", "addresses", addresses)
	options := b.options.Clone()
	options.Routes = nil
	for _, address := range addresses {
		options.Routes = append(options.Routes, &url.URL{Scheme: "nats", Host: address})
	}
	if err := b.server.ReloadOptions(options); err != nil {
		return fmt.Errorf("set routes to %v: %w", addresses, err)
	}
	b.options = options
	return nil
}

// names are what peers are called, and the addresses that these names stand for.
type names struct {
	peers  []string // host:port
	lookUp func(ctx context.Context, host string) ([]string, error)
	known  resolver.Known
}

// look looks all names up and returns the addresses, sorted. Where a name cannot be looked up, what was known stays. NATS
// ends a route whose address is left out, so one that an answer leaves out stays for a while.
func (n *names) look(ctx context.Context, log *slog.Logger) []string {
	if found, err := n.find(ctx); err == nil {
		n.known.Answer(found)
	} else {
		log.Debug("watch nodes not looked up", "error", err)
	}
	return slices.Sorted(maps.Keys(n.known))
}

// find fails if any of the names cannot be looked up.
func (n *names) find(ctx context.Context) (found []string, err error) {
	ctx, cancel := context.WithTimeout(ctx, lookUpTimeout)
	defer cancel()
	for _, peer := range n.peers {
		host, port, err := net.SplitHostPort(peer)
		if err != nil {
			continue // Open has refused it
		}
		addresses, err := n.lookUp(ctx, host)
		if missing := new(net.DNSError); errors.As(err, &missing) && missing.IsNotFound {
			continue // the node does not run, or not yet
		}
		if err != nil {
			return nil, fmt.Errorf("peer %s: %w", peer, err)
		}
		for _, address := range addresses {
			found = append(found, net.JoinHostPort(address, port))
		}
	}
	return found, nil
}

// RouteTLS makes one configuration for both ends of routes from that of a server and that of a client, as NATS wants
// it. Routes go to addresses, not names: so a node's certificate has to be valid for one of the peers' names or for
// the address. The authorities are the client's as they are at each handshake, for both ends.
func RouteTLS(asServer *tls.Config, asClient tlsconfig.Client, peers []string) *tls.Config {
	made := asServer.Clone()
	made.NextProtos = nil
	made.GetConfigForClient = nil
	made.ClientAuth, made.ClientCAs = tls.RequireAnyClientCert, nil // verify looks at it
	made.GetClientCertificate = func(asked *tls.CertificateRequestInfo) (*tls.Certificate, error) {
		config, err := asClient()
		switch {
		case err != nil:
			return nil, err
		case config.GetClientCertificate != nil:
			return config.GetClientCertificate(asked)
		case len(config.Certificates) > 0:
			return &config.Certificates[0], nil
		default:
			return &tls.Certificate{}, nil // as crypto/tls wants it from who has none
		}
	}
	made.InsecureSkipVerify = true // of the name, which verify looks at
	names := hosts(peers)
	checkClient := asServer.VerifyConnection
	made.VerifyConnection = func(state tls.ConnectionState) error {
		if checkClient != nil {
			if err := checkClient(state); err != nil {
				return err
			}
		}
		config, err := asClient()
		if err != nil {
			return err
		}
		return verify(state, config.RootCAs, names)
	}
	return made
}

func hosts(peers []string) []string {
	var names []string
	for _, peer := range peers {
		if host, _, err := net.SplitHostPort(peer); err == nil {
			names = append(names, host)
		}
	}
	return names
}

// verify checks that an authority vouches for the other end, and that it is a watch node by its certificate's names.
func verify(state tls.ConnectionState, authorities *x509.CertPool, names []string) error {
	if len(state.PeerCertificates) == 0 {
		return errors.New("the other watch node shows no certificate")
	}
	leaf := state.PeerCertificates[0]
	intermediates := x509.NewCertPool()
	for _, certificate := range state.PeerCertificates[1:] {
		intermediates.AddCert(certificate)
	}
	_, err := leaf.Verify(x509.VerifyOptions{
		Roots: authorities, Intermediates: intermediates, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	})
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(names, func(name string) bool { return leaf.VerifyHostname(name) == nil }) {
		return fmt.Errorf("the other watch node's certificate is valid for none of %v", names)
	}
	return nil
}

// RouteCount tells to how many other nodes there are routes.
func (b *Bus) RouteCount() int { return b.server.NumRemotes() }

// RouteAddress is where other nodes come in, nil without routes.
func (b *Bus) RouteAddress() *net.TCPAddr {
	if b.routes == nil {
		return nil
	}
	return b.server.ClusterAddr()
}
