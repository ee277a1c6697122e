package member

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net/http"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.etcd.io/etcd/api/v3/version"
	"golang.org/x/sync/errgroup"

	"github.com/quoratedb/quorate/pkg/descriptors"
	"github.com/quoratedb/quorate/pkg/ingress"
	"github.com/quoratedb/quorate/pkg/tlsconfig"
	"github.com/quoratedb/quorate/services/consensus"
	"github.com/quoratedb/quorate/services/consensus/peer"
	consensusrpc "github.com/quoratedb/quorate/services/consensus/rpc"
	"github.com/quoratedb/quorate/services/quorate/config"
)

// Peers is the members' side of a member: what it listens on for them, and how it reaches them.
type Peers struct {
	Transport *peer.Transport
	endpoints []*config.Endpoint
	server    *tls.Config      // nil where no peer URL uses TLS
	client    tlsconfig.Client // nil likewise
}

// OpenPeers opens the listeners and makes the transport, which is idle until Run. With an error, what was opened is to be
// closed all the same, unless it is nil.
func OpenPeers(c config.Config, log *slog.Logger, metrics prometheus.Registerer, budget descriptors.Budget) (*Peers, error) {
	server, client, err := c.TLSForPeers(log)
	if err != nil {
		return nil, err
	}
	opened := &Peers{server: server, client: client}
	if opened.endpoints, err = config.Listen("listen-peer-urls", c.ListenPeerURLs); err != nil {
		return opened, err
	}
	connections := ingress.NewConnections(budget.Peers, "members", log)
	opened.Transport, err = peer.New(peer.Config{
		AdvertiseURLs:   c.InitialAdvertisePeerURLs,
		ServerVersion:   version.Version,
		EtcdVersion:     version.Version,
		ElectionTimeout: c.ElectionTimeout,
		TLS:             client,
		LocalAddress:    c.LocalPeerAddress(),
		Connections:     connections,
		SnapshotDir:     filepath.Join(c.Directory(), "member", "received"),
		Logger:          log,
		Registerer:      metrics,
	})
	return opened, err
}

// Mount has handler serve the requests of other members under pattern. It must be called before Run.
func (p *Peers) Mount(pattern string, handler http.Handler) { p.Transport.Mount(pattern, handler) }

// Run talks to the other members on behalf of m until ctx ends.
func (p *Peers) Run(ctx context.Context, m *consensus.Member) error {
	p.Mount(consensusrpc.NewAuditHandler(m))
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return p.Transport.Run(ctx, m.Receiver(), m.Receiver()) })
	for _, e := range p.endpoints {
		var secrets *tls.Config
		if config.Secure(e.URL) {
			secrets = p.server
		}
		group.Go(func() error { return p.Transport.Serve(ctx, e, secrets) })
	}
	return group.Wait()
}

// peersWait bounds what a member waits for its peers when it could serve. Connecting takes milliseconds, and happens while a
// leader is elected; a peer whose host is gone should not hold up a restart.
const peersWait = 500 * time.Millisecond

// Await waits for the first streams to the other members, so that whoever uses a member that serves finds it connected
// to those that were there before it. Members that are away hold it up for peersWait at most.
func (p *Peers) Await(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, peersWait)
	defer cancel()
	p.Transport.AwaitPeers(ctx)
}

// Close closes the listeners of peers that do not run (any more).
func (p *Peers) Close() { config.CloseAll(p.endpoints) }
