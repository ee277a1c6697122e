package natsserver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"slices"
	"time"

	"github.com/quoratedb/quorate/pkg/rpc/resolver"
)

// lookUpTimeout bounds one look.
const lookUpTimeout = 2 * time.Second

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
