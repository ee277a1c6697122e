package resolver

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/quoratedb/quorate/pkg/tlsconfig"
)

const (
	// lookupInterval is how often names are looked up again: how long a node that joins may wait to be used.
	lookupInterval = 3 * time.Second
	// lookupTimeout bounds one lookup.
	lookupTimeout = 2 * time.Second
)

// Config says which nodes are looked for.
type Config struct {
	// Endpoints are http(s)://HOST:PORT.
	Endpoints []string
	// TLS is how nodes of https endpoints are called; their certificates must be valid for HOST.
	TLS    tlsconfig.Client
	Logger *slog.Logger // nil for none
	// Lookup finds the addresses of a name; nil for the system's resolver.
	Lookup func(ctx context.Context, host string) ([]string, error)
}

// Set is the nodes behind endpoints.
type Set struct {
	config    Config
	endpoints []endpoint
	// known are the nodes by URL and address. Run owns it.
	known map[[2]string]*Node
}

type endpoint struct {
	url, host, port string
	// known are the hosts that the name stands for, and addresses those of them that are used.
	known     Known
	addresses []string
	failed    bool // a lookup did, and it was said
}

// New fails with an endpoint that is not of the form http(s)://HOST:PORT. It looks nothing up.
func New(config Config) (*Set, error) {
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	if config.Lookup == nil {
		config.Lookup = net.DefaultResolver.LookupHost
	}
	s := &Set{config: config, known: map[[2]string]*Node{}}
	for _, text := range config.Endpoints {
		u, err := url.Parse(text)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.Port() == "" {
			return nil, fmt.Errorf("endpoint %s is not of the form http://host:port or https://host:port", text)
		}
		s.endpoints = append(s.endpoints, endpoint{url: u.Scheme + "://" + u.Host, host: u.Hostname(), port: u.Port(), known: Known{}})
	}
	return s, nil
}

// Run calls update with all nodes whenever there are others than before, the first time when names have been looked up
// once, until ctx ends. A node that stays keeps its identity. One that is left out may still be there and in use; whoever
// uses it closes it when it is done with it. It is called once.
func (s *Set) Run(ctx context.Context, update func([]*Node)) error {
	ticker := time.NewTicker(lookupInterval)
	defer ticker.Stop()
	var last []*Node
	for first := true; ; first = false {
		if now := s.lookUp(ctx); first || !slices.Equal(now, last) {
			update(now)
			last = now
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// lookUp returns the nodes as names have them now, in the order of the endpoints. Names are looked up side by side: one that
// nobody answers for holds up the others for one timeout, however many there are of its kind.
func (s *Set) lookUp(ctx context.Context) []*Node {
	var lookups sync.WaitGroup
	for i := range s.endpoints {
		lookups.Go(func() { s.resolve(ctx, &s.endpoints[i]) })
	}
	lookups.Wait()
	var found []*Node
	listed := map[[2]string]bool{}
	for i := range s.endpoints {
		e := &s.endpoints[i]
		for _, address := range e.addresses {
			key := [2]string{e.url, address}
			if listed[key] {
				continue
			}
			listed[key] = true
			if s.known[key] == nil {
				s.known[key] = newNode(i, e.url, address, e.name(), s.config.TLS)
			}
			found = append(found, s.known[key])
		}
	}
	for key := range s.known {
		if !listed[key] {
			delete(s.known, key)
		}
	}
	return found
}

// name is what the certificate of an endpoint's nodes must be valid for, empty where there is no TLS.
func (e *endpoint) name() string {
	if e.url[:5] != "https" {
		return ""
	}
	return e.host
}

// resolve looks an endpoint's name up. Addresses need no lookup.
func (s *Set) resolve(ctx context.Context, e *endpoint) {
	if net.ParseIP(e.host) != nil {
		e.addresses = []string{net.JoinHostPort(e.host, e.port)}
		return
	}
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	hosts, err := s.config.Lookup(ctx, e.host)
	if err != nil || len(hosts) == 0 {
		if !e.failed && context.Cause(ctx) != context.Canceled {
			s.config.Logger.Warn("cannot look a node's name up; going on with what is known", "endpoint", e.url, "known", e.addresses, "error", err)
		}
		e.failed = true
		return
	}
	e.failed = false
	e.known.Answer(hosts)
	e.addresses = nil
	for _, host := range distinct(slices.Sorted(maps.Keys(e.known))) {
		e.addresses = append(e.addresses, net.JoinHostPort(host, e.port))
	}
}

// distinct are the addresses without the IPv6 loopback where there is an IPv4 one too: localhost has both, and they are one
// host for certain. Elsewhere each family may have nodes that the other has not, so both are used: a node with an address of
// each counts twice, and an address that nobody listens on is a node that does not answer.
func distinct(hosts []string) []string {
	loopbackV4 := slices.ContainsFunc(hosts, func(host string) bool {
		ip := net.ParseIP(host)
		return ip.To4() != nil && ip.IsLoopback()
	})
	return slices.DeleteFunc(hosts, func(host string) bool {
		return loopbackV4 && net.ParseIP(host).Equal(net.IPv6loopback)
	})
}
