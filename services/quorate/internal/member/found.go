package member

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/pkg/tlsconfig"
	"github.com/quoratedb/quorate/services/consensus"
	"github.com/quoratedb/quorate/services/consensus/peer"
	"github.com/quoratedb/quorate/services/quorate/config"
	"github.com/quoratedb/quorate/services/quorate/internal/dns"
	"github.com/quoratedb/quorate/services/quorate/internal/registry"
)

// ErrBootstrapped is returned by Start when the other members know this one, but its data directory does not: it has
// lost what it voted for and acknowledged, and would vote again.
var ErrBootstrapped = errors.New("has already been bootstrapped")

// bootstrappedTimeout is how long the other founders are asked whether this member has been there before. Most often
// none of them answers, because all are started together. It is etcd's.
const bootstrappedTimeout = time.Second

// finder finds out, at the first start, who this member is and who belongs to the cluster.
type finder struct {
	config config.Config
	client tlsconfig.Client // how other members are called
	log    *slog.Logger
}

// find is asked where the data directory holds no member.
func (f finder) find(ctx context.Context) (consensus.Founding, error) {
	made, err := f.founders(ctx)
	switch {
	case err != nil:
	case f.config.InitialClusterState == config.ClusterExisting:
		made, err = f.joining(ctx, made)
	default:
		err = f.refuseBootstrapped(ctx, made)
	}
	if err != nil {
		return consensus.Founding{}, err
	}
	return consensus.Founding{
		ClusterID: made.ClusterID, MemberID: made.MemberID, ClusterToken: made.Token, Members: made.Members, Join: made.Join,
	}, nil
}

// founders are the members that the configuration, DNS or the discovery endpoints name.
func (f finder) founders(ctx context.Context) (config.Founding, error) {
	switch {
	case len(f.config.Discovery.Endpoints) > 0:
		return f.meet(ctx)
	case f.config.DiscoverySRV != "":
		made, err := f.lookUp(ctx)
		if err != nil {
			return config.Founding{}, fmt.Errorf("--discovery-srv=%s: %w", f.config.DiscoverySRV, err)
		}
		return made, nil
	}
	made, err := f.config.Founders()
	if err == nil {
		err = f.checkOwnURLs(ctx, made)
	}
	if err != nil {
		return config.Founding{}, fmt.Errorf("--initial-cluster=%s: %w", f.config.InitialCluster, err)
	}
	return made, nil
}

// checkOwnURLs wants this member's URLs in the list to lead where it says it can be reached.
func (f finder) checkOwnURLs(ctx context.Context, made config.Founding) error {
	for _, member := range made.Members {
		if member.GetId() != made.MemberID {
			continue
		}
		same, err := f.sameURLs(ctx, member.GetPeerUrls(), f.config.InitialAdvertisePeerURLs)
		if err == nil && !same {
			err = errors.New("they lead elsewhere")
		}
		if err != nil {
			return fmt.Errorf("has %s for this member, but --initial-advertise-peer-urls=%s: %w",
				strings.Join(member.GetPeerUrls(), ","), strings.Join(f.config.InitialAdvertisePeerURLs, ","), err)
		}
	}
	return nil
}

// lookUp finds the members in DNS. There are no names in it: the members' names are known once they have started, so that
// all founders begin with the same state.
func (f finder) lookUp(ctx context.Context) (config.Founding, error) {
	found, err := dns.Query{
		Resolver: f.resolver(), Domain: f.config.DiscoverySRV, Service: f.config.DiscoverySRVName, Name: f.config.Name, PeerURLs: f.config.InitialAdvertisePeerURLs, Logger: f.log,
	}.Founders(ctx)
	if err != nil {
		return config.Founding{}, err
	}
	slices.SortFunc(found, func(a, b dns.Founder) int { return strings.Compare(a.URL, b.URL) })
	made, own := config.Founding{Token: f.config.InitialClusterToken}, ""
	for _, founder := range found {
		made.Members = append(made.Members, &consensusv1.Member{PeerUrls: []string{founder.URL}})
		if founder.Own {
			own = founder.URL
		}
	}
	return made, made.Identify(func(m *consensusv1.Member) bool { return m.GetPeerUrls()[0] == own })
}

// meet finds the members at the discovery endpoints. Their token is the cluster's.
func (f finder) meet(ctx context.Context) (config.Founding, error) {
	if f.config.InitialClusterState == config.ClusterExisting {
		return config.Founding{}, errors.New("discovery URL should not be set when joining existing initial cluster: name its members in --initial-cluster, without --discovery-endpoints")
	}
	met := f.config
	met.InitialCluster, met.InitialClusterToken, met.Discovery = "", f.config.Discovery.Token, config.Discovery{}
	alone, err := met.Founders()
	if err != nil {
		return config.Founding{}, err
	}
	var self []string
	for _, url := range alone.Members[0].GetPeerUrls() {
		self = append(self, f.config.Name+"="+url)
	}
	met.InitialCluster, err = registry.Join(ctx, f.config.Discovery, alone.MemberID, strings.Join(self, ","), f.log)
	if err != nil {
		return config.Founding{}, fmt.Errorf("--discovery-endpoints=%s --discovery-token=%s: %w", strings.Join(f.config.Discovery.Endpoints, ","), f.config.Discovery.Token, err)
	}
	return met.Founders()
}

func (f finder) sameURLs(ctx context.Context, a, b []string) (bool, error) {
	return dns.SameURLs(ctx, f.resolver(), a, b)
}

func (f finder) resolver() *net.Resolver { return cmp.Or(f.config.Resolver, net.DefaultResolver) }

// refuseBootstrapped asks the other founders whether this member has been there before. Those that do not answer know
// it all the same once they meet it: see the incarnation in package peer.
func (f finder) refuseBootstrapped(ctx context.Context, made config.Founding) error {
	ctx, cancel := context.WithTimeout(ctx, bootstrappedTimeout)
	defer cancel()
	var asking sync.WaitGroup
	found := make(chan error, len(made.Members))
	for _, member := range made.Members {
		if member.GetId() == made.MemberID {
			continue
		}
		asking.Go(func() {
			_, members, err := peer.FetchMembers(ctx, member.GetPeerUrls(), f.config.LocalPeerAddress(), f.client)
			if err != nil {
				return
			}
			for _, known := range members {
				if known.GetId() == made.MemberID && len(known.GetClientUrls()) > 0 {
					found <- f.bootstrapped(known.GetId(), strings.Join(member.GetPeerUrls(), ","))
				}
			}
		})
	}
	asking.Wait()
	select {
	case err := <-found:
		return err
	default:
		return nil
	}
}

// bootstrapped says what to do about a member that is known, says source, and has no data.
func (f finder) bootstrapped(id uint64, source string) error {
	return fmt.Errorf("member %x %w: %s knows it, and --data-dir=%s does not. If its data is lost, remove it (etcdctl member remove %x), add it as a new member (etcdctl member add %s --peer-urls=%s), and start it with --initial-cluster-state=%s",
		id, ErrBootstrapped, source, f.config.Directory(), id, f.config.Name, strings.Join(f.config.InitialAdvertisePeerURLs, ","), config.ClusterExisting)
}
