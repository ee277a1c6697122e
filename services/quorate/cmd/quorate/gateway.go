package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/quoratedb/quorate/pkg/descriptors"
	"github.com/quoratedb/quorate/pkg/flagset"
	"github.com/quoratedb/quorate/pkg/logging"
	"github.com/quoratedb/quorate/pkg/signals"
	"github.com/quoratedb/quorate/services/quorate/internal/tcpgateway"
)

// gatewayFlags are etcd's.
type gatewayFlags struct {
	listen, domain, service, caFile string
	endpoints                       []string
	insecure                        bool
	retryDelay                      time.Duration
}

// discoverWithin bounds the look-up of SRV records and what they name.
const discoverWithin = 30 * time.Second

// runGateway is the gateway subcommand: it forwards connections to the members of a cluster.
func runGateway(args []string, stdout, stderr io.Writer) int {
	args, ok := startOf(args)
	if !ok {
		fmt.Fprintln(stderr, "quorate gateway: start is its only command; quorate gateway start --help lists its flags")
		return exitUsage
	}
	f := gatewayFlags{endpoints: []string{"127.0.0.1:2379"}}
	flags := flag.NewFlagSet("quorate gateway start", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	group := flagset.NewGroup("Flags", flags, f.register)
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(stdout, gatewayUsageHead)
		return exitCode(flagset.WriteUsage(stdout, flags, group))
	case err != nil:
		complain(stderr, fmt.Errorf("gateway: %w", err))
		fmt.Fprintln(stderr, "quorate gateway start --help lists all flags.")
		return exitUsage
	case flags.NArg() > 0:
		fmt.Fprintf(stderr, "quorate gateway start: %q is no flag\n", flags.Arg(0))
		return exitUsage
	case f.retryDelay <= 0:
		fmt.Fprintf(stderr, "quorate gateway start: --retry-delay=%v must be above zero\n", f.retryDelay)
		return exitUsage
	}
	if err := f.run(); err != nil {
		complain(stderr, fmt.Errorf("gateway: %w", err))
		return exitError
	}
	return exitOK
}

// startOf are the arguments of start, the only command of a subcommand, whose help is that of start.
func startOf(args []string) (rest []string, ok bool) {
	switch {
	case len(args) == 1 && slices.Contains([]string{"-h", "-help", "--help"}, args[0]):
		return args, true
	case len(args) == 0 || args[0] != "start":
		return nil, false
	}
	return args[1:], true
}

const gatewayUsageHead = `Usage:

  quorate gateway start [flags]
    Forward connections to the members of a cluster, TLS and all.
`

func (f *gatewayFlags) register(flags *flag.FlagSet) {
	flags.StringVar(&f.listen, "listen-addr", "127.0.0.1:23790", "Where to listen.")
	flags.Var(flagset.ListOf(&f.endpoints), "endpoints", "Where the members of the cluster are, as host:port or URL.")
	flags.StringVar(&f.domain, "discovery-srv", "", "Domain whose SRV records say where the members are.")
	flags.StringVar(&f.service, "discovery-srv-name", "", "Suffix of the services' names in that domain.")
	flags.BoolVar(&f.insecure, "insecure-discovery", false, "Take SRV records of members without TLS, and those that show no certificate of the domain's.")
	flags.StringVar(&f.caFile, "trusted-ca-file", "", "Authorities that certificates of members found by SRV records are checked with.")
	flags.DurationVar(&f.retryDelay, "retry-delay", time.Minute, "After how long an endpoint that could not be reached is tried again.")
}

func (f gatewayFlags) run() error {
	log, outputs, err := logging.Open(logging.Config{})
	if err != nil {
		return err
	}
	defer outputs.Close()
	ctx, release := signals.Context(log, outputs)
	defer release()
	var targets []tcpgateway.Target
	if f.domain != "" {
		discovery := tcpgateway.Discovery{
			Resolver: net.DefaultResolver, Domain: f.domain, Service: f.service, Insecure: f.insecure, CAFile: f.caFile, Logger: log,
		}
		bounded, cancel := context.WithTimeout(ctx, discoverWithin)
		targets, err = discovery.Targets(bounded)
		cancel()
		if err != nil {
			return fmt.Errorf("--discovery-srv=%s: %w", f.domain, err)
		}
	}
	if len(targets) == 0 { // as in etcd, also where none of those found will do
		if targets, err = targetsOf(f.endpoints); err != nil {
			return err
		}
	}
	if err := refuseItself(ctx, "gateway", f.listen, targets); err != nil {
		return err
	}
	listener, err := net.Listen("tcp", f.listen)
	if err != nil {
		return fmt.Errorf("--listen-addr=%s: %w", f.listen, err)
	}
	budget, err := descriptors.Ours()
	if err != nil {
		log.Warn("cannot tell how many connections there may be", "error", err)
	}
	addresses := make([]string, len(targets))
	for i, t := range targets {
		addresses[i] = t.Address
	}
	log.Info("ready to forward connections", "listen", listener.Addr().String(), "endpoints", addresses)
	tellManager(log, "READY=1")
	return tcpgateway.New(tcpgateway.Config{
		Listener: listener, Targets: targets, RetryDelay: f.retryDelay, ConnectionsMax: budget.Forwarded(), Logger: log,
	}).Run(ctx)
}

// targetsOf reads endpoints as host:port or URL, whose scheme does not matter.
func targetsOf(endpoints []string) ([]tcpgateway.Target, error) {
	var targets []tcpgateway.Target
	for _, endpoint := range endpoints {
		address := endpoint
		if u, err := url.Parse(endpoint); err == nil && u.Host != "" {
			address = u.Host
		}
		host, port, err := net.SplitHostPort(address)
		if number, wrong := strconv.ParseUint(port, 10, 16); err != nil || host == "" || wrong != nil || number == 0 {
			return nil, fmt.Errorf("--endpoints: %q is no host:port", endpoint)
		}
		targets = append(targets, tcpgateway.Target{Address: address})
	}
	if len(targets) == 0 {
		return nil, errors.New("no endpoints found: give --endpoints or --discovery-srv")
	}
	return targets, nil
}

// refuseItself refuses a target that is where the process itself, which is called what, listens: each connection would make another one without end.
func refuseItself(ctx context.Context, what, listen string, targets []tcpgateway.Target) error {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return fmt.Errorf("--listen-addr: %w", err)
	}
	own, err := addressesOf(ctx, host)
	if err != nil {
		return fmt.Errorf("--listen-addr: %w", err)
	}
	for _, t := range targets {
		targetHost, targetPort, _ := net.SplitHostPort(t.Address)
		if targetPort != port {
			continue
		}
		there, err := addressesOf(ctx, targetHost)
		if err != nil {
			continue // it may be there later
		}
		for _, address := range there {
			if slices.Contains(own, address) || slices.ContainsFunc(own, netip.Addr.IsUnspecified) && address.IsLoopback() {
				return fmt.Errorf("endpoint %s is where the %s listens (--listen-addr=%s)", t.Address, what, listen)
			}
		}
	}
	return nil
}

func addressesOf(ctx context.Context, host string) ([]netip.Addr, error) {
	if host == "" {
		return []netip.Addr{netip.IPv6Unspecified()}, nil
	}
	found, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	for i := range found {
		found[i] = found[i].Unmap()
	}
	return found, err
}
