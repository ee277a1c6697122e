// Package clients opens the clients' side of the store as a configuration describes it: the same in a process that is a
// whole store and in one that serves clients alone.
package clients

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.etcd.io/etcd/api/v3/version"

	"github.com/quoratedb/quorate/pkg/descriptors"
	"github.com/quoratedb/quorate/pkg/ingress"
	"github.com/quoratedb/quorate/pkg/tlsconfig"
	"github.com/quoratedb/quorate/services/api"
	"github.com/quoratedb/quorate/services/quorate/config"
)

// leaderLossTimeouts is how many election timeouts a cluster may be without a leader until streams end that want one. It
// is etcd's.
const leaderLossTimeouts = 3

// Side is the clients' side, listening but not serving.
type Side struct {
	// Clients are where clients come in, Monitors where health and metrics are served alone.
	Clients, Monitors []*config.Endpoint
	secrets           *tls.Config
	monitor           *api.Monitor
}

// Open reads certificates and the keys of tokens, and opens the listeners. With an error, what was opened is to be closed all the same.
func Open(c config.Config, log *slog.Logger) (*Side, error) {
	s := &Side{}
	if err := errors.Join(c.Audit.Check(), c.Outside.Check()); err != nil {
		return s, err
	}
	var err error
	if s.secrets, err = c.TLSForClients(log); err != nil {
		return s, err
	}
	// Before there is a member, so that a mistake founds none.
	if err := api.CheckAuthTokenKeys(cmp.Or(c.AuthToken, api.NoAuthToken)); err != nil {
		return s, fmt.Errorf("--auth-token: %w", err)
	}
	for _, each := range []struct {
		flag string
		urls []string
		to   *[]*config.Endpoint
	}{
		{"listen-client-urls", c.ListenClientURLs, &s.Clients},
		{"listen-client-http-urls", c.ListenClientHTTPURLs, &s.Clients},
		{"listen-legacy-urls", c.ListenLegacyURLs, &s.Clients},
		{"listen-metrics-urls", c.ListenMetricsURLs, &s.Monitors},
	} {
		opened, err := config.Listen(each.flag, each.urls)
		*each.to = append(*each.to, opened...)
		if err != nil {
			return s, err
		}
	}
	return s, nil
}

// Close closes the listeners of a side that does not serve (any more).
func (s *Side) Close() {
	config.CloseAll(s.Clients)
	config.CloseAll(s.Monitors)
}

// Monitor makes what serves health and metrics of a store that is in this process or elsewhere. It may run before there is anything else.
func (s *Side) Monitor(log *slog.Logger, metrics *prometheus.Registry, budget descriptors.Budget, elsewhere bool) *api.Monitor {
	listeners := make([]net.Listener, 0, len(s.Monitors))
	for _, monitor := range s.Monitors {
		listeners = append(listeners, monitorListener(monitor, s.secrets))
	}
	s.monitor = api.NewMonitor(api.MonitorConfig{
		Listeners: listeners, Connections: ingress.NewConnections(budget.Monitors, "health and metrics", log),
		Logger: log, Elsewhere: elsewhere, Registerer: metrics, Gatherer: metrics,
	})
	return s.monitor
}

// Config is everything that the API service needs but its ports. Monitor is called before.
func (s *Side) Config(c config.Config, log *slog.Logger, metrics *prometheus.Registry, budget descriptors.Budget) api.Config {
	made := api.Config{
		Logger:               log,
		Registerer:           metrics,
		Gatherer:             metrics,
		TimeCalls:            c.MetricsLevel == config.MetricsExtensive,
		SlowCalls:            c.WarningUnaryRequestDuration,
		Profiling:            c.EnablePprof,
		TLS:                  s.secrets,
		Monitor:              s.monitor,
		MaxConnections:       budget.Clients,
		MaxRequestBytes:      c.MaxRequestBytes,
		MaxTxnOps:            c.MaxTxnOps,
		MaxConcurrentStreams: c.MaxConcurrentStreams,
		RequestTimeout:       c.RequestTimeout(),
		Rates:                c.Rates,
		AuthToken:            cmp.Or(c.AuthToken, api.NoAuthToken),
		Outside:              c.Outside,
		ClientCertAuth:       c.ClientTLS.ClientCertAuth,
		LeaderLossTime:       leaderLossTimeouts * c.ElectionTimeout,
		KeepAliveMinTime:     zeroIsOff(c.GRPCKeepAliveMinTime),
		KeepAliveInterval:    zeroIsOff(c.GRPCKeepAliveInterval),
		KeepAliveTimeout:     zeroIsOff(c.GRPCKeepAliveTimeout),
		CORS:                 c.CORS,
		HostWhitelist:        c.HostWhitelist,
		NoConsole:            !c.EnableConsole,
		Hosts:                s.hosts(c),
		NoGateway:            !c.EnableGRPCGateway,
		Version:              c.Version,
		Versions:             api.Versions{Server: version.Version},
	}
	for _, client := range s.Clients {
		if config.Secure(client.URL) {
			made.TLSListeners = append(made.TLSListeners, client.Listener)
		} else {
			made.Listeners = append(made.Listeners, client.Listener)
		}
	}
	return made
}

// hosts are the names by which clients are told to call.
func (s *Side) hosts(c config.Config) []string {
	names := slices.Clone(c.HostWhitelist)
	for _, text := range c.AdvertiseClientURLs {
		if u, err := url.Parse(text); err == nil {
			names = append(names, u.Hostname())
		}
	}
	for _, e := range s.Clients {
		names = append(names, e.URL.Hostname())
	}
	return names
}

// monitorListener speaks TLS by itself where its URL wants that. Health checks and scrapes need no HTTP/2.
func monitorListener(monitor *config.Endpoint, secrets *tls.Config) net.Listener {
	if !config.Secure(monitor.URL) {
		return monitor
	}
	return tls.NewListener(monitor, tlsconfig.Speaking(secrets, "http/1.1"))
}

func zeroIsOff(d time.Duration) time.Duration {
	if d == 0 {
		return -1
	}
	return d
}
