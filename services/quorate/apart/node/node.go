package node

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/quoratedb/quorate/pkg/descriptors"
	"github.com/quoratedb/quorate/pkg/ingress"
	"github.com/quoratedb/quorate/pkg/processmetrics"
	"github.com/quoratedb/quorate/pkg/tlsconfig"
	"github.com/quoratedb/quorate/pkg/tracing/otlp"
	"github.com/quoratedb/quorate/services/quorate/apart/settings"
	"github.com/quoratedb/quorate/services/quorate/config"
	"github.com/quoratedb/quorate/services/quorate/internal/supervisor"
)

// Node is a node while its role opens it. The role calls the methods from Open alone; the fields are to be read.
type Node struct {
	Settings *settings.Settings
	Logger   *slog.Logger
	Metrics  *prometheus.Registry
	// ClientTLS is for calls to other services, nil for plain ones.
	ClientTLS tlsconfig.Client
	// ServerTLS is what the internal listener shows and asks for, nil for none.
	ServerTLS *tls.Config
	// Budget is what the node's parts may have of its file descriptors.
	Budget descriptors.Budget

	callers        *ingress.Connections // of the internal listeners
	watchers       *ingress.Connections // of those for health and metrics
	internal       []*config.Endpoint
	monitors       []*config.Endpoint
	monitoring     *supervisor.Supervisor
	mux            *http.ServeMux
	services       []service
	checks         []check
	closers        []func() error
	readyLine      string
	readyAddresses []string
	ready          atomic.Bool // every service is started
}

// service is something that runs.
type service struct {
	name  string
	run   func(context.Context) error
	ready <-chan struct{} // what comes behind it waits for this, unless it is nil
}

// check fails with the reason why the node should not be used.
type check struct {
	name string
	run  func(context.Context) error
}

// stoppedEarly is what the log says of a node that was stopped while it started.
const stoppedEarly = "stopped by a signal before it was ready"

// Handle offers a handler to other services, below a path.
func (n *Node) Handle(path string, handler http.Handler) { n.mux.Handle(path, handler) }

// Start has run run, behind what was named before: it is started when that is ready, and ended before that is. run
// returns once its context has ended. ready, unless nil, is closed when the service is up.
func (n *Node) Start(name string, run func(context.Context) error, ready <-chan struct{}) {
	n.services = append(n.services, service{name, run, ready})
}

// Check adds a reason for /readyz to say no.
func (n *Node) Check(name string, run func(context.Context) error) {
	n.checks = append(n.checks, check{name, run})
}

// OnClose adds what is to be closed at the end, whether anything ran or not; the last added is closed first.
func (n *Node) OnClose(do func() error) { n.closers = append(n.closers, do) }

// Ready replaces what the log says once the node serves, and where.
func (n *Node) Ready(line string, addresses []string) {
	n.readyLine, n.readyAddresses = line, addresses
}

// Run opens a node, its role by open, and runs it until ctx ends or a part of it fails: nil in the first case.
//
// Health and metrics are served first and longest, so that a start and a stop can be watched. Other services are served
// last and stopped first: whatever they call is there.
func Run(ctx context.Context, s *settings.Settings, open func(context.Context, *Node) error) error {
	n := &Node{
		Settings: s, Logger: s.Config.Log, Metrics: processmetrics.NewRegistry(), mux: http.NewServeMux(),
		readyLine:  "ready to serve internal requests",
		monitoring: supervisor.New(len(s.Config.ListenMetricsURLs)),
	}
	traces, err := otlp.Start(ctx, s.Config.Tracing, s.Config.Log)
	if err != nil {
		return err
	}
	defer traces.Close()
	err = n.open(ctx, open)
	switch {
	case err == nil:
		err = n.serve(ctx)
	case ctx.Err() != nil:
		n.Logger.Info(stoppedEarly)
		err = nil
	}
	return errors.Join(err, n.monitoring.Stop(), n.close())
}

func (n *Node) open(ctx context.Context, role func(context.Context, *Node) error) (err error) {
	if err = n.loadTLS(); err != nil {
		return err
	}
	if n.Budget, err = descriptors.Ours(); err != nil {
		return err
	}
	if advice := n.Budget.Advice(); advice != "" {
		n.Logger.Warn(advice)
	}
	// A node has either clients or other services as its callers.
	n.callers = ingress.NewConnections(n.Budget.Internal+n.Budget.Clients, "other services", n.Logger)
	n.watchers = ingress.NewConnections(n.Budget.Monitors, "health and metrics", n.Logger)
	if n.internal, err = config.Listen("listen-internal-urls", n.Settings.ListenInternalURLs); err != nil {
		return err
	}
	n.readyAddresses = config.URLTexts(n.internal)
	if !n.Settings.OwnMetrics {
		if n.monitors, err = config.Listen("listen-metrics-urls", n.Settings.Config.ListenMetricsURLs); err != nil {
			return err
		}
	}
	for _, e := range n.monitors {
		n.monitoring.Start("health and metrics", func(ctx context.Context) error { return n.serveMonitors(ctx, e) })
	}
	return role(ctx, n)
}

// loadTLS reads the files of the TLS between services.
func (n *Node) loadTLS() error {
	files := n.Settings.InternalTLS
	if files.Empty() {
		return nil
	}
	files.Log = n.Logger
	material, err := files.Load(n.Settings.Config.TLSPolicy)
	if err != nil {
		return err
	}
	n.ClientTLS = material.Calling
	n.ServerTLS, err = material.Serving()
	return err
}

// serve owns everything that runs.
func (n *Node) serve(ctx context.Context) error {
	running := supervisor.New(len(n.services) + len(n.internal))
	err := n.bringUp(ctx, running)
	if err == nil {
		n.ready.Store(true)
		n.Logger.Info(n.readyLine, "addresses", strings.Join(n.readyAddresses, ","))
		select {
		case <-ctx.Done():
			n.Logger.Info("stopping", "cause", context.Cause(ctx))
		case err = <-running.Failed:
			n.Logger.Error("a service failed, stopping", "error", err)
		case err = <-n.monitoring.Failed:
			n.Logger.Error("a service failed, stopping", "error", err)
		}
	} else if ctx.Err() != nil {
		n.Logger.Info(stoppedEarly)
		err = nil
	}
	n.ready.Store(false)
	err = errors.Join(err, running.Stop())
	if err == nil {
		n.Logger.Info("stopped")
	}
	return err
}

// bringUp starts everything, each once what it stands on is ready.
func (n *Node) bringUp(ctx context.Context, running *supervisor.Supervisor) error {
	for _, s := range n.services {
		running.Start(s.name, s.run)
		if s.ready == nil {
			continue
		}
		select {
		case <-s.ready:
		case err := <-running.Failed:
			return err
		case <-ctx.Done():
			return fmt.Errorf("stopped before it was ready: %w", context.Cause(ctx))
		}
	}
	for _, e := range n.internal {
		running.Start("internal listener", func(ctx context.Context) error { return n.serveInternal(ctx, e) })
	}
	return nil
}

// close closes what is open. What ran has closed its own already, which does no harm.
func (n *Node) close() error {
	config.CloseAll(n.internal)
	config.CloseAll(n.monitors)
	var problems []error
	for i := len(n.closers) - 1; i >= 0; i-- {
		problems = append(problems, n.closers[i]())
	}
	return errors.Join(problems...)
}
