package harness

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
)

// Apart is a store whose services run as processes of their own, on free loopback ports. The endpoint of a node that serves no clients has its health
// and metrics.
type Apart struct {
	Consensus, Lease, Watch, API Cluster
}

// Sizes are how many nodes of each service there are.
type Sizes struct{ Consensus, Lease, Watch, API int }

// ApartConfig says how to run services apart.
type ApartConfig struct {
	// Programs is the folder of the programs, DataDir what the members' directories lie below.
	Programs, DataDir string
	Sizes             Sizes
	// Secrets are the flags of mutual TLS between the services, none for plain calls.
	Secrets []string
	// ConsensusArgs, LeaseArgs and APIArgs follow the flags that place those nodes.
	ConsensusArgs, LeaseArgs, APIArgs []string
}

// NewApart places the services. It starts nothing.
func NewApart(c ApartConfig) *Apart {
	scheme := "http"
	if len(c.Secrets) > 0 {
		scheme = "https"
	}
	peers, members, leases := places("http", c.Sizes.Consensus), places(scheme, c.Sizes.Consensus), places(scheme, c.Sizes.Lease)
	watches, routes, clients := places(scheme, c.Sizes.Watch), places("nats", c.Sizes.Watch), places("http", c.Sizes.API)
	var founders []string
	for i, peer := range peers {
		founders = append(founders, fmt.Sprintf("m%d=%s", i, peer))
	}
	node := func(program, name string, args ...string) *Server {
		metrics := places("http", 1)[0]
		args = append([]string{"--name=" + name, "--listen-metrics-urls=" + metrics}, append(args, c.Secrets...)...)
		return &Server{config: Config{Binary: filepath.Join(c.Programs, program)}, program: args, elsewhere: strings.TrimPrefix(metrics, "http://")}
	}
	consensus := "--consensus-endpoints=" + strings.Join(members, ",")
	a := &Apart{}
	for i, url := range members {
		name := fmt.Sprintf("m%d", i)
		a.Consensus = append(a.Consensus, node("quorate-consensus", name, append([]string{
			"--data-dir=" + filepath.Join(c.DataDir, name), "--listen-peer-urls=" + peers[i], "--initial-advertise-peer-urls=" + peers[i],
			"--initial-cluster=" + strings.Join(founders, ","), "--listen-internal-urls=" + url,
			"--advertise-client-urls=" + strings.Join(clients, ","),
		}, c.ConsensusArgs...)...))
	}
	for i, url := range leases {
		a.Lease = append(a.Lease, node("quorate-lease", fmt.Sprintf("l%d", i), append([]string{consensus, "--listen-internal-urls=" + url}, c.LeaseArgs...)...))
	}
	for i, url := range watches {
		a.Watch = append(a.Watch, node("quorate-watch", fmt.Sprintf("w%d", i), consensus, "--listen-internal-urls="+url,
			"--listen-routes-url="+routes[i], "--routes="+strings.Join(routes, ",")))
	}
	for i, url := range clients {
		api := node("quorate-api", fmt.Sprintf("a%d", i), append([]string{
			consensus, "--lease-endpoints=" + strings.Join(leases, ","), "--watch-endpoints=" + strings.Join(watches, ","),
			"--listen-client-urls=" + url,
		}, c.APIArgs...)...)
		api.elsewhere = strings.TrimPrefix(url, "http://")
		a.API = append(a.API, api)
	}
	return a
}

// All are all nodes, in an order that they may be started in.
func (a *Apart) All() Cluster {
	var all Cluster
	for _, some := range []Cluster{a.Consensus, a.Lease, a.Watch, a.API} {
		all = append(all, some...)
	}
	return all
}

// Start starts all nodes and waits until each serves. On failure nothing is left running.
func (a *Apart) Start(ctx context.Context) error { return a.All().Start(ctx) }

// Endpoints are those of the API nodes.
func (a *Apart) Endpoints() []string {
	var endpoints []string
	for _, one := range a.API {
		endpoints = append(endpoints, one.Endpoint())
	}
	return endpoints
}

// places are URLs on free loopback ports.
func places(scheme string, n int) []string {
	made := make([]string, n)
	for i := range made {
		made[i] = fmt.Sprintf("%s://127.0.0.1:%d", scheme, FreePort())
	}
	return made
}
