package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"golang.org/x/sync/errgroup"

	"github.com/quoratedb/quorate/deploy/stack/front"
	"github.com/quoratedb/quorate/pkg/descriptors"
	"github.com/quoratedb/quorate/pkg/ingress"
	"github.com/quoratedb/quorate/pkg/logging"
	"github.com/quoratedb/quorate/pkg/processmetrics"
	"github.com/quoratedb/quorate/pkg/signals"
)

const (
	// connectionsMax bounds the connections under way, where descriptors allow as many.
	connectionsMax = 16384
	// filesEach are the descriptors of a connection that is passed on: two ends, and a pipe for each way.
	filesEach = 6
)

func runFront(args []string, _ io.Writer) error {
	flags := flag.NewFlagSet("front", flag.ContinueOnError)
	nodes := flags.String("nodes", "", "")
	ports := flags.String("ports", "", "")
	readyPort := flags.Int("ready-port", 9090, "")
	host := flags.String("listen-host", "", "")
	healthAddress := flags.String("listen-health", "127.0.0.1:9090", "")
	level := flags.String("log-level", "info", "")
	if err := parse(flags, args, "nodes", "ports"); err != nil {
		return err
	}
	log, outputs, err := logging.Open(logging.Config{Level: *level})
	if err != nil {
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	files, err := descriptors.Ours()
	if err != nil {
		return err
	}
	connections := min(connectionsMax, max(files.Clients/filesEach, 1))
	if connections < connectionsMax {
		log.Warn("the limit on open files is low: further connections wait", "limit", files.Limit, "connections-at-most", connections)
	}
	ctx, release := signals.Context(log, outputs)
	defer release()
	listeners, err := listen(*host, strings.Split(*ports, ","))
	if err != nil {
		return err
	}
	f, err := front.New(front.Config{
		Host: *nodes, Listeners: listeners, ReadyPort: *readyPort, ConnectionsMax: connections, Logger: log,
		Lookup: func(ctx context.Context, host string) ([]netip.Addr, error) {
			return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		},
	})
	if err != nil {
		return err
	}
	healthListener, err := net.Listen("tcp", *healthAddress)
	if err != nil {
		return fmt.Errorf("--listen-health=%s: %w", *healthAddress, err)
	}
	registry := processmetrics.NewRegistry()
	registry.MustRegister(f.Collectors()...)
	log.Info("passing connections on", "nodes", *nodes, "ports", *ports)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return f.Run(ctx) })
	group.Go(func() error {
		return serveHealth(ctx, healthListener, f, registry, ingress.NewConnections(files.Monitors, "health", log), log)
	})
	return errors.Join(group.Wait(), outputs.Close())
}

// listen opens each of the ports.
func listen(host string, ports []string) (map[int]front.Listener, error) {
	listeners := map[int]front.Listener{}
	for _, text := range ports {
		port, err := strconv.Atoi(text)
		if err != nil {
			return nil, fmt.Errorf("%w: --ports: %q is no port", errUsage, text)
		}
		address, err := net.ResolveTCPAddr("tcp", net.JoinHostPort(host, text))
		if err != nil {
			return nil, fmt.Errorf("--listen-host=%s: %w", host, err)
		}
		if listeners[port], err = net.ListenTCP("tcp", address); err != nil {
			return nil, fmt.Errorf("--ports=%s: cannot listen: %w", text, err)
		}
	}
	return listeners, nil
}

// serveHealth answers whether connections lead somewhere, and with metrics, until ctx ends.
func serveHealth(ctx context.Context, listener net.Listener, f *front.Front, metrics prometheus.Gatherer, connections *ingress.Connections, log *slog.Logger) error {
	mux := http.NewServeMux()
	mux.Handle("/metrics", promhttp.HandlerFor(metrics, promhttp.HandlerOpts{}))
	mux.HandleFunc("/readyz", func(w http.ResponseWriter, _ *http.Request) {
		if !f.Usable() {
			http.Error(w, "no node answers", http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ok")
	})
	return ingress.New(ingress.Config{
		Handler: mux, Connections: connections, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}).Run(ctx, listener, nil)
}
