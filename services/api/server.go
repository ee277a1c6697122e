package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"

	"github.com/quoratedb/quorate/pkg/ingress"
	"github.com/quoratedb/quorate/services/api/internal/auth"
	"github.com/quoratedb/quorate/services/api/internal/calls"
	"github.com/quoratedb/quorate/services/api/internal/connectserver"
	"github.com/quoratedb/quorate/services/api/internal/gateway"
	"github.com/quoratedb/quorate/services/api/internal/grpcserver"
	"github.com/quoratedb/quorate/services/api/internal/health"
	"github.com/quoratedb/quorate/services/api/internal/leader"
	"github.com/quoratedb/quorate/services/api/internal/ratelimit"
	"github.com/quoratedb/quorate/services/api/internal/sniff"
	v3 "github.com/quoratedb/quorate/services/api/internal/v3"
)

// streamGrace is how long streams have to end by themselves once they were told to and all other calls are done. One
// that waits for its client does not notice before its connection goes.
const streamGrace = 500 * time.Millisecond

// Server serves clients. Create it with New and Run it once.
type Server struct {
	cfg      Config
	services connectserver.Services
	calls    *calls.Calls
	leader   *leader.Monitor
	follower *auth.Follower
	mux      *sniff.Mux
	inside   *inside
	http     *ingress.Server
	// forget has those who know the store by heart ask for it anew.
	forget []func()
}

// New builds a server. It starts nothing, but its listeners may have connections waiting already.
func New(cfg Config) (*Server, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("api: %w", err)
	}
	cfg = cfg.withDefaults()
	tokens, err := cfg.tokens()
	if err != nil {
		return nil, fmt.Errorf("api: %w", err)
	}
	follower := auth.NewFollower(cfg.Auth, cfg.Logger)
	names := auth.NewNames(cfg.Auth, follower)
	cfg.Rates.Registerer = cfg.Registerer
	rates, err := ratelimit.New(cfg.Rates, names)
	if err != nil {
		return nil, fmt.Errorf("api: %w", err)
	}
	services, err := v3.New(v3.Config{
		Consensus: cfg.Consensus, Lease: cfg.Lease, Watch: cfg.Watch, Auth: cfg.Auth, Quotas: cfg.Quotas, Inspector: cfg.Inspector, Follower: follower, Shown: cfg.Shown, Nearest: cfg.Nearest, Rates: rates, Signer: tokens.Signer, Logger: cfg.Logger,
		MaxTxnOps: cfg.MaxTxnOps, MaxRequestBytes: cfg.MaxRequestBytes, RequestTimeout: cfg.RequestTimeout,
		Version: cfg.Versions.Server, StorageVersion: cfg.Versions.Storage, EncodedWatch: true,
	})
	if err != nil {
		return nil, fmt.Errorf("api: %w", err)
	}
	identification := cfg.identification(tokens)
	if err := cfg.addOutside(&identification); err != nil {
		return nil, fmt.Errorf("api: %w", err)
	}
	s, err := newServer(cfg, users{follower: follower, identify: auth.New(identification), names: names, rates: rates}, behindPorts(cfg), connectserver.Services{
		KV: services.KV, Watch: services.Watch, Lease: services.Lease,
		Cluster: services.Cluster, Maintenance: services.Maintenance,
		Auth: services.Auth, Quotas: services.Quotas, Inspect: services.Inspect,
		Lock: services.Lock, Election: services.Election,
	})
	if err != nil {
		return nil, err
	}
	s.forget = append(s.forget, services.StoreReplaced)
	return s, nil
}

// behind is what the wires themselves ask of the store, whatever clients ask.
type behind struct {
	leader     leader.Consensus
	authorizer auth.Authorizer
	health     health.Store
	// tree makes what answers v2's paths; nil for v2 by the ports.
	tree func(*calls.Calls) http.Handler
}

func behindPorts(cfg Config) behind {
	return behind{leader: cfg.Consensus, authorizer: cfg.Auth, health: cfg.Consensus}
}

// StoreReplaced has answers name the store that is there now: it is another one than before.
func (s *Server) StoreReplaced() {
	for _, forget := range s.forget {
		forget()
	}
}

// newServer puts the wires around services.
func newServer(cfg Config, who users, behind behind, services connectserver.Services) (*Server, error) {
	monitor := leader.New(behind.leader, cfg.LeaderLossTime)
	audit := cfg.Audit
	audit.Names(who.names)
	gate := auth.NewGate(behind.authorizer, cfg.RequestTimeout, cfg.Logger)
	watched := calls.New(cfg.Registerer, monitor, who.identify, gate, audit, who.rates)
	registerVersions(cfg)
	if cfg.TimeCalls {
		watched.Time(cfg.Registerer)
	}
	watched.WatchSlow(calls.Slow{After: cfg.SlowCalls, Logger: cfg.Logger})
	s := &Server{
		cfg:      cfg,
		calls:    watched,
		leader:   monitor,
		mux:      sniff.New(sniff.Config{ConnectionsMax: cfg.MaxConnections, Logger: cfg.Logger, Registerer: cfg.Registerer}),
		follower: who.follower,
		services: services,
		inside:   newInside(watched),
	}
	json, err := gateway.New(s.inside, cfg.receiveBytesMax())
	if err != nil {
		return nil, fmt.Errorf("api: %w", err)
	}
	cfg.Monitor.wellness.Open(behind.health)
	var oldTree http.Handler
	if err := s.addConsole(who, gate); err != nil {
		return nil, fmt.Errorf("api: %w", err)
	}
	if behind.tree != nil {
		oldTree = behind.tree(watched)
	} else if tree := newV2(cfg, watched, who); tree != nil {
		s.forget = append(s.forget, tree.StoreReplaced)
		oldTree = audit.Wrap(tree, who.identify.IdentifyTLS)
	}
	s.http = newHTTPServer(newClientHandler(cfg, s.services, watched, json, oldTree), cfg, s.mux.Connections())
	return s, nil
}

// newGRPC is for Run alone, because grpc-go starts goroutines as soon as there is a server.
func (s *Server) newGRPC() *grpcserver.Server {
	server := grpcserver.New(s.cfg.grpc(), s.calls)
	s.register(server)
	server.Ready()
	s.calls.Register(server.GetServiceInfo())
	return server
}

// register adds all services but the console's, which is for browsers, to a server of gRPC.
func (s *Server) register(server grpc.ServiceRegistrar) {
	etcdserverpb.RegisterKVServer(server, s.services.KV)
	etcdserverpb.RegisterWatchServer(server, s.services.Watch)
	etcdserverpb.RegisterLeaseServer(server, s.services.Lease)
	etcdserverpb.RegisterClusterServer(server, s.services.Cluster)
	etcdserverpb.RegisterMaintenanceServer(server, s.services.Maintenance)
	etcdserverpb.RegisterAuthServer(server, s.services.Auth)
	v3.RegisterQuotas(server, s.services.Quotas)
	v3.RegisterInspect(server, s.services.Inspect)
	v3.RegisterLock(server, s.services.Lock)
	v3.RegisterElection(server, s.services.Election)
}

// Run serves until ctx ends or a listener fails, then stops and returns when everything it started has ended: nil in
// the first case.
func (s *Server) Run(ctx context.Context) error {
	if err := s.inside.open(); err != nil {
		return err
	}
	server := s.newGRPC()
	failed := make(chan error, 5)
	var running sync.WaitGroup
	start := func(serve func() error) {
		running.Go(func() {
			if err := serve(); err != nil && !errors.Is(err, http.ErrServerClosed) {
				failed <- err
			}
		})
	}
	accepting, stopAccepting := context.WithCancel(context.WithoutCancel(ctx))
	defer stopAccepting()
	start(func() error { s.leader.Run(accepting); return nil })
	start(func() error { s.follower.Run(accepting); return nil })
	if s.services.Console != nil {
		start(func() error { s.services.Console.Run(accepting); return nil })
	}
	start(func() error { return s.mux.Run(accepting, s.listeners()...) })
	start(func() error { return server.Serve(s.mux.GRPC()) })
	start(func() error { return server.Serve(s.inside.listener) })
	start(func() error { return s.http.Serve(s.mux.HTTP()) })

	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	s.stop(server, stopAccepting)
	running.Wait()
	return err
}

func (s *Server) listeners() []sniff.Listener {
	var listeners []sniff.Listener
	for _, plain := range s.cfg.Listeners {
		if !slices.Contains(s.cfg.TLSListeners, plain) {
			listeners = append(listeners, sniff.Listener{Listener: plain})
		}
	}
	for _, secure := range s.cfg.TLSListeners {
		listeners = append(listeners, sniff.Listener{Listener: secure, TLS: s.cfg.TLS, Plain: slices.Contains(s.cfg.Listeners, secure)})
	}
	return listeners
}

// stop ends serving, in this order:
//
//  1. Whoever watches the gRPC health service hears that this server leaves.
//  2. Nobody is let in any more: listeners and connections without a request close.
//  3. Streams end: a watch would otherwise hold up the stop for ever, and its client should look elsewhere now.
//  4. Calls under way finish, in no more than the drain timeout. Clients are told to send no others here.
//  5. What is left, streams that did not notice, is cut off with its connection.
func (s *Server) stop(server *grpcserver.Server, stopAccepting func()) {
	server.Leave()
	stopAccepting()
	s.calls.End()

	draining, cancel := context.WithTimeout(context.Background(), s.cfg.DrainTimeout)
	defer cancel()
	var graceful sync.WaitGroup
	graceful.Go(server.GracefulStop)
	graceful.Go(func() { _ = s.http.Shutdown(draining) })
	drained := make(chan struct{})
	go func() {
		graceful.Wait()
		close(drained)
	}()
	if s.calls.WaitUnary(draining) == nil {
		select {
		case <-drained:
		case <-draining.Done():
		case <-time.After(streamGrace):
		}
	} else {
		s.cfg.Logger.Warn("calls were still under way when the time to finish them ran out", "timeout", s.cfg.DrainTimeout)
	}
	cancel()
	server.Stop()
	s.http.End()
	<-drained
	s.calls.WaitTransfers()
	s.inside.close()
}
