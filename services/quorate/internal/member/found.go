package member

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/quoratedb/quorate/services/consensus"
	"github.com/quoratedb/quorate/services/consensus/peer"
	"github.com/quoratedb/quorate/services/quorate/config"
)

// ErrBootstrapped is returned by Start when the other members know this one, but its data directory does not: it has
// lost what it voted for and acknowledged, and would vote again.
var ErrBootstrapped = errors.New("has already been bootstrapped")

// bootstrappedTimeout is how long the other founders are asked whether this member has been there before. Most often
// none of them answers, because all are started together. It is etcd's.
const bootstrappedTimeout = time.Second

// finder finds out, at the first start, who this member is and who belongs to the cluster.
type finder struct {
	config.Config
	client *tls.Config // how other members are called
}

// find is asked where the data directory holds no member.
func (f finder) find(ctx context.Context) (consensus.Founding, error) {
	made, err := f.found(ctx)
	if err != nil {
		return consensus.Founding{}, err
	}
	return consensus.Founding{
		ClusterID: made.ClusterID, MemberID: made.MemberID, ClusterToken: f.InitialClusterToken, Members: made.Members, Join: made.Join,
	}, nil
}

func (f finder) found(ctx context.Context) (config.Founding, error) {
	if f.InitialClusterState == config.ClusterExisting {
		return joining(ctx, f.Config, f.client)
	}
	founders, err := f.Founders()
	if err != nil {
		return config.Founding{}, fmt.Errorf("--initial-cluster=%s: %w", f.InitialCluster, err)
	}
	return founders, f.refuseBootstrapped(ctx, founders)
}

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
			_, members, err := peer.FetchMembers(ctx, member.GetPeerUrls(), f.client)
			if err != nil {
				return
			}
			for _, known := range members {
				if known.GetId() == made.MemberID && len(known.GetClientUrls()) > 0 {
					found <- bootstrapped(f.Config, known.GetId(), strings.Join(member.GetPeerUrls(), ","))
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
func bootstrapped(c config.Config, id uint64, source string) error {
	return fmt.Errorf("member %x %w: %s knows it, and --data-dir=%s does not. If its data is lost, remove it (etcdctl member remove %x), add it as a new member (etcdctl member add %s --peer-urls=%s), and start it with --initial-cluster-state=%s",
		id, ErrBootstrapped, source, c.Directory(), id, c.Name, strings.Join(c.InitialAdvertisePeerURLs, ","), config.ClusterExisting)
}
