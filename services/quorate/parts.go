package quorate

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"go.etcd.io/etcd/api/v3/version"

	"github.com/quoratedb/quorate/services/api"
	"github.com/quoratedb/quorate/services/consensus"
	"github.com/quoratedb/quorate/services/lease"
	"github.com/quoratedb/quorate/services/quorate/config"
	"github.com/quoratedb/quorate/services/quorate/internal/member"
	"github.com/quoratedb/quorate/services/quorate/internal/registry"
	"github.com/quoratedb/quorate/services/watch"
)

// parts are what a store is made of, open but not running.
type parts struct {
	name     string
	dataDir  string
	log      *slog.Logger
	closeLog func() error
	metrics  *prometheus.Registry

	clients  []*config.Endpoint
	monitors []*config.Endpoint

	peers  *member.Peers
	member *consensus.Member
	watch  *watch.Service
	lease  *lease.Service
	api    *api.Server
}

// open opens what the configuration names, in the order in which mistakes are cheap to find: certificates, then
// listeners, then data. If one fails, what was opened is closed.
func open(ctx context.Context, c Config) (*parts, error) {
	p := &parts{name: c.Name, dataDir: c.Directory()}
	if err := p.open(ctx, c); err != nil {
		return nil, errors.Join(err, p.close())
	}
	return p, nil
}

func (p *parts) open(ctx context.Context, c Config) (err error) {
	if p.log, p.closeLog, err = c.OpenLog(); err != nil {
		return err
	}
	if err := c.CheckDirectory(); err != nil {
		return err
	}
	secrets, err := c.TLSForClients()
	if err != nil {
		return err
	}
	if p.clients, err = config.Listen("listen-client-urls", c.ListenClientURLs); err != nil {
		return err
	}
	more, err := config.Listen("listen-client-http-urls", c.ListenClientHTTPURLs)
	p.clients = append(p.clients, more...)
	if err != nil {
		return err
	}
	legacy, err := config.Listen("listen-legacy-urls", c.ListenLegacyURLs)
	p.clients = append(p.clients, legacy...)
	if err != nil {
		return err
	}
	if p.monitors, err = config.Listen("listen-metrics-urls", c.ListenMetricsURLs); err != nil {
		return err
	}
	p.metrics = c.Metrics
	if p.metrics == nil {
		p.metrics = prometheus.NewRegistry()
		p.metrics.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	}
	if p.peers, err = member.OpenPeers(c, p.log, p.metrics); err != nil {
		return err
	}
	return p.assemble(ctx, c, secrets)
}

// assemble makes the services and wires them to each other by direct calls.
func (p *parts) assemble(ctx context.Context, c Config, secrets *tls.Config) (err error) {
	advertised := c.AdvertiseClientURLs
	if len(advertised) == 0 {
		advertised = config.URLTexts(p.clients)
	}
	if p.member, err = member.New(ctx, c, advertised, p.peers, registry.Join, p.log, p.metrics); err != nil {
		return err
	}
	p.watch, err = watch.New(watch.Config{
		Feed:             p.member,
		ProgressInterval: c.WatchProgressNotifyInterval,
		Logger:           p.log,
		Registerer:       p.metrics,
	})
	if err != nil {
		return err
	}
	p.lease, err = lease.New(lease.Config{
		Consensus:  p.member,
		Holder:     fmt.Sprintf("%x", p.member.MemberID()),
		Standby:    true, // until this member leads
		MinTTL:     lease.MinTTL(c.ElectionTimeout, c.HeartbeatInterval),
		Logger:     p.log,
		Registerer: p.metrics,
	})
	if err != nil {
		return err
	}
	p.mount()
	p.api, err = api.New(p.apiConfig(c, secrets))
	return err
}

func (p *parts) apiConfig(c Config, secrets *tls.Config) api.Config {
	leader := leading{p.member, p.peers.Transport}
	made := api.Config{
		Consensus:            promoting{p.member, leader},
		Lease:                leadersLeases{leader, p.lease},
		Watch:                p.watch,
		Logger:               p.log,
		Registerer:           p.metrics,
		Gatherer:             p.metrics,
		TLS:                  secrets,
		MaxRequestBytes:      c.MaxRequestBytes,
		MaxTxnOps:            c.MaxTxnOps,
		MaxConcurrentStreams: c.MaxConcurrentStreams,
		RequestTimeout:       requestTimeoutBase + 2*c.ElectionTimeout,
		KeepAliveMinTime:     zeroIsOff(c.GRPCKeepAliveMinTime),
		KeepAliveInterval:    zeroIsOff(c.GRPCKeepAliveInterval),
		KeepAliveTimeout:     zeroIsOff(c.GRPCKeepAliveTimeout),
		CORS:                 c.CORS,
		Versions:             api.Versions{Server: version.Version},
	}
	if c.EnableV2 {
		made.Tree = p.member
	}
	for _, client := range p.clients {
		if config.Secure(client.URL) {
			made.TLSListeners = append(made.TLSListeners, client)
		} else {
			made.Listeners = append(made.Listeners, client)
		}
	}
	for _, monitor := range p.monitors {
		made.MetricsListeners = append(made.MetricsListeners, monitorListener(monitor, secrets))
	}
	return made
}

// requestTimeoutBase is how long queues and disks may hold up a request; elections come on top. Both are as in etcd.
const requestTimeoutBase = 5 * time.Second

// monitorListener speaks TLS by itself where its URL wants that. Health checks and scrapes need no HTTP/2.
func monitorListener(monitor *config.Endpoint, secrets *tls.Config) net.Listener {
	if !config.Secure(monitor.URL) {
		return monitor
	}
	secrets = secrets.Clone()
	secrets.NextProtos = []string{"http/1.1"}
	return tls.NewListener(monitor, secrets)
}

func zeroIsOff(d time.Duration) time.Duration {
	if d == 0 {
		return -1
	}
	return d
}

// close closes what is open. Services that ran have closed theirs already, which does no harm.
func (p *parts) close() error {
	var problems []error
	config.CloseAll(p.clients)
	config.CloseAll(p.monitors)
	if p.peers != nil {
		p.peers.Close()
	}
	if p.member != nil {
		problems = append(problems, p.member.Close())
	}
	if p.closeLog != nil {
		problems = append(problems, p.closeLog())
	}
	return errors.Join(problems...)
}
