package quorate

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"go.etcd.io/etcd/api/v3/version"
	"golang.org/x/sync/errgroup"

	"github.com/quoratedb/quorate/pkg/tlsconfig"
	"github.com/quoratedb/quorate/services/consensus/peer"
	consensusrpc "github.com/quoratedb/quorate/services/consensus/rpc"
	leaserpc "github.com/quoratedb/quorate/services/lease/rpc"
)

const (
	// joinTimeout is how long a member that joins waits for the others to know it, joinRetry how often it asks.
	joinTimeout = 10 * time.Second
	joinRetry   = 250 * time.Millisecond
)

// peers is the members' side of a member: what it listens on for them, and how it reaches them.
type peers struct {
	transport *peer.Transport
	endpoints []*endpoint
	server    *tls.Config // nil where no peer URL uses TLS
}

// openPeers opens the listeners and makes the transport, which is idle until run.
func openPeers(config Config, p *parts) (*peers, error) {
	server, client, err := config.peerTLS()
	if err != nil {
		return nil, err
	}
	opened := &peers{server: server}
	if opened.endpoints, err = listen("listen-peer-urls", config.ListenPeerURLs); err != nil {
		return opened, err
	}
	opened.transport, err = peer.New(peer.Config{
		AdvertiseURLs:   config.InitialAdvertisePeerURLs,
		ServerVersion:   version.Version,
		EtcdVersion:     version.Version,
		ElectionTimeout: config.ElectionTimeout,
		TLS:             client,
		SnapshotDir:     filepath.Join(config.dataDir(), "member", "received"),
		Logger:          p.log,
		Registerer:      p.metrics,
	})
	return opened, err
}

// mount offers the other members what only this one may be able to do.
func (p *parts) mount() {
	path, handler := consensusrpc.NewHandler(p.member)
	p.peers.transport.Mount(path, handler)
	path, handler = leaserpc.NewHandler(p.lease)
	p.peers.transport.Mount(path, handler)
}

// runPeers talks to the other members until ctx ends.
func (p *parts) runPeers(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return p.peers.transport.Run(ctx, p.member, p.member) })
	for _, e := range p.peers.endpoints {
		var secrets *tls.Config
		if secure(e.url) {
			secrets = p.peers.server
		}
		group.Go(func() error { return p.peers.transport.Serve(ctx, e, secrets) })
	}
	return group.Wait()
}

// peerTLS is how other members are let in and how they are called. Both are nil where no peer URL uses TLS.
func (c Config) peerTLS() (server, client *tls.Config, err error) {
	files := c.PeerTLS
	auto := c.PeerAutoTLS && files.CertFile == "" && files.KeyFile == ""
	if auto {
		files.CertFile, files.KeyFile, err = tlsconfig.SelfSigned(filepath.Join(c.dataDir(), "fixtures", "peer"), hostsOf(c.ListenPeerURLs, c.InitialAdvertisePeerURLs), c.SelfSignedCertValidity)
		if err != nil {
			return nil, nil, fmt.Errorf("--peer-auto-tls: %w", err)
		}
	}
	if files.CertFile == "" {
		return nil, nil, nil
	}
	if server, err = files.Config(c.TLSPolicy); err == nil {
		client, err = files.ClientConfig(c.TLSPolicy)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("--peer-cert-file=%s --peer-key-file=%s: %w", files.CertFile, files.KeyFile, err)
	}
	// Self-signed certificates vouch for nobody: the connection is private, and nobody knows with whom.
	client.InsecureSkipVerify = auto
	return server, client, nil
}

// joining asks the other members named in InitialCluster who belongs to the cluster, and finds this member among them.
func (c Config) joining(ctx context.Context, client *tls.Config) (founding, error) {
	urls, err := c.initialCluster()
	if err != nil {
		return founding{}, err
	}
	var others []string
	for name, of := range urls {
		if name != c.Name {
			others = append(others, of...)
		}
	}
	if len(others) == 0 {
		return founding{}, fmt.Errorf("--initial-cluster-state=%s: --initial-cluster=%s names no other member to join", ClusterExisting, c.InitialCluster)
	}
	// A member that has not heard of the addition yet may be the one that answers: ask the others too, and again.
	ctx, cancel := context.WithTimeout(ctx, joinTimeout)
	defer cancel()
	for {
		found, err := c.askWhoIsThere(ctx, others, client)
		if err == nil {
			return found, nil
		}
		timer := time.NewTimer(joinRetry)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return founding{}, fmt.Errorf("--initial-cluster-state=%s: %w", ClusterExisting, err)
		}
	}
}

// askWhoIsThere asks each of the others in turn, until one knows this member.
func (c Config) askWhoIsThere(ctx context.Context, others []string, client *tls.Config) (founding, error) {
	var answers []error
	for _, url := range others {
		clusterID, members, err := peer.FetchMembers(ctx, []string{url}, client)
		if err != nil {
			answers = append(answers, err)
			continue
		}
		for _, member := range members {
			if equalSets(member.GetPeerUrls(), c.InitialAdvertisePeerURLs) {
				return founding{clusterID: clusterID, memberID: member.GetId(), members: members, join: true}, nil
			}
		}
		answers = append(answers, fmt.Errorf("%s knows no member with --initial-advertise-peer-urls=%s: add it first (etcdctl member add)", url, strings.Join(c.InitialAdvertisePeerURLs, ",")))
	}
	return founding{}, errors.Join(answers...)
}
