// Package apinode is the role of an API service that runs apart: every wire that clients speak, in front of the nodes of
// the other services. It keeps nothing, so that any number may run anywhere.
package apinode

import (
	"context"
	"flag"
	"fmt"
	"net"
	"runtime"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/quoratedb/quorate/pkg/rpc/resolver"
	"github.com/quoratedb/quorate/services/api"
	consensusremote "github.com/quoratedb/quorate/services/consensus/remote"
	leaseremote "github.com/quoratedb/quorate/services/lease/remote"
	"github.com/quoratedb/quorate/services/quorate/apart/node"
	"github.com/quoratedb/quorate/services/quorate/apart/program"
	"github.com/quoratedb/quorate/services/quorate/apart/settings"
	"github.com/quoratedb/quorate/services/quorate/commandline"
	"github.com/quoratedb/quorate/services/quorate/config"
	"github.com/quoratedb/quorate/services/quorate/internal/clients"
	"github.com/quoratedb/quorate/services/quorate/internal/grpclogs"
	"github.com/quoratedb/quorate/services/watch/relay"
)

// New makes the role.
func New() program.Role { return &role{} }

type role struct{ consensus, lease, watch []string }

// Flags implements program.Role: quorate's for the clients' side, and where the other services are.
func (r *role) Flags(s *settings.Settings) {
	s.OwnMetrics = true // the API answers health questions itself, as a member does
	s.Group("Clients", func(fs *flag.FlagSet) {
		commandline.Register(fs, &s.Config,
			"listen-client-urls", "listen-client-http-urls", "listen-legacy-urls", "advertise-client-urls", "enable-v2", "cors",
			"host-whitelist", "enable-console", "enable-grpc-gateway",
			"max-txn-ops", "max-request-bytes", "max-concurrent-streams",
			"grpc-keepalive-min-time", "grpc-keepalive-interval", "grpc-keepalive-timeout",
			"watch-progress-notify-interval", "election-timeout", "metrics", "warning-unary-request-duration")
		fs.Lookup("advertise-client-urls").Usage = "Where clients on other hosts reach this node, told for members that advertise none. " +
			"Empty means --listen-client-urls, with an address of this host where that is for all addresses."
		fs.Lookup("election-timeout").Usage = "That of the members, in milliseconds. A request may take five seconds and two of it."
	})
	s.Group("Security of clients", func(fs *flag.FlagSet) {
		commandline.Register(fs, &s.Config,
			"auth-token", "cert-file", "key-file", "client-cert-auth", "trusted-ca-file", "client-crl-file",
			"client-cert-allowed-hostname", "client-cert-allowed-cn", "cipher-suites", "tls-min-version", "tls-max-version")
	})
	s.Group("Who somebody is", func(fs *flag.FlagSet) { commandline.RegisterOutside(fs, &s.Config) })
	s.Group("Audit", func(fs *flag.FlagSet) { commandline.RegisterAudit(fs, &s.Config) })
	s.Group("Rates of requests", func(fs *flag.FlagSet) { commandline.RegisterRates(fs, &s.Config) })
	s.Group("Other services", func(fs *flag.FlagSet) {
		s.Endpoints(fs, "consensus-endpoints", &r.consensus, "URLs of the members, quorate-consensus. A host name may have several addresses. Status tells of the first that can answer.")
		s.Endpoints(fs, "lease-endpoints", &r.lease, "URLs of the lease nodes, quorate-lease.")
		s.Endpoints(fs, "watch-endpoints", &r.watch, "URLs of the watch nodes, quorate-watch.")
	})
}

// Validate implements program.Role.
func (*role) Validate(s *settings.Settings) error { return s.Config.ValidateClients() }

// ballastBytes is memory that counts as in use and is never touched, so that it takes none. The collector waits until as
// much is allocated as is in use: what a node keeps is small, some ten megabytes with a hundred connections, and without
// this it would collect a dozen times a second under load. GOGC would do that too, and with a large heap take far more.
const ballastBytes = 32 << 20

// Open implements program.Role.
func (r *role) Open(_ context.Context, n *node.Node) error {
	ballast := make([]byte, ballastBytes)
	n.OnClose(func() error { runtime.KeepAlive(ballast); return nil })
	c := n.Settings.Config
	grpclogs.Take(n.Logger)
	side, err := clients.Open(c, n.Logger)
	n.OnClose(func() error { side.Close(); return nil })
	if err != nil {
		return err
	}
	n.Start("health and metrics", side.Monitor(n.Logger, n.Metrics, n.Budget, true).Run, nil)
	members, err := find(n, "consensus-endpoints", r.consensus)
	if err != nil {
		return err
	}
	leases, err := find(n, "lease-endpoints", r.lease)
	if err != nil {
		return err
	}
	store, lease := consensusremote.New(members, c.RequestTimeout(), n.Logger), leaseremote.New(leases, n.Logger)
	watches, err := find(n, "watch-endpoints", r.watch)
	if err != nil {
		return err
	}
	watch, err := relay.New(relay.Config{
		Nodes: watches, Other: store.Other, Logger: n.Logger, Registerer: n.Metrics, ProgressInterval: c.WatchProgressNotifyInterval,
	})
	if err != nil {
		return err
	}
	made := side.Config(c, n.Logger, n.Metrics, n.Budget)
	told := &advertised{Consensus: store, urls: c.AdvertiseClientURLs}
	if len(told.urls) == 0 {
		addresses, err := net.InterfaceAddrs()
		if err != nil {
			n.Logger.Warn("this host's addresses are not known; set --advertise-client-urls if clients take their endpoints from the member list", "error", err)
		}
		told.urls = reachable(side.Clients, addresses)
	}
	made.Consensus, made.Lease, made.Watch, made.Auth, made.Elsewhere = told, lease, watch, store, true
	made.Quotas, made.Inspector, made.Members, made.Shown, made.Nearest = store, store, store, store.Shown, store.Nearest
	if made.Audit, err = n.Audit(); err != nil {
		return err
	}
	if c.EnableV2 {
		made.Tree = store
	}
	served, err := api.New(made)
	if err != nil {
		return err
	}
	err = n.Metrics.Register(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "etcd_server_has_leader", Help: "Whether or not a leader exists. 1 is existence, 0 is not.",
	}, func() float64 {
		if leader, _, _ := store.Leader(); leader != 0 {
			return 1
		}
		return 0
	}))
	if err != nil {
		return err
	}
	n.Start("members", store.Run, nil)
	n.Start("lease nodes", lease.Run, nil)
	n.Start("watch nodes", watch.Run, nil)
	n.Start("replacements", func(ctx context.Context) error {
		return store.FollowReplacements(ctx, func() {
			served.StoreReplaced() // first: whoever's watch ends finds the other store named
			watch.StoreReplaced()
		})
	}, nil)
	n.Start("api", served.Run, store.Ready())
	n.Logger.Info("client URLs of members that advertise none", "advertise-client-urls", told.urls)
	n.Ready("ready to serve client requests", config.URLTexts(side.Clients))
	return nil
}

// find makes the set of nodes behind the endpoints of a flag.
func find(n *node.Node, flag string, endpoints []string) (*resolver.Set, error) {
	found, err := resolver.New(resolver.Config{Endpoints: endpoints, TLS: n.ClientTLS, Logger: n.Logger})
	if err != nil {
		return nil, fmt.Errorf("--%s: %w", flag, err)
	}
	return found, nil
}
