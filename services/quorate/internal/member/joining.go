package member

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/quoratedb/quorate/services/consensus/peer"
	"github.com/quoratedb/quorate/services/quorate/config"
)

const (
	// joinTimeout is how long a member that joins waits for the others to know it, joinRetry how often it asks.
	joinTimeout = 10 * time.Second
	joinRetry   = 250 * time.Millisecond
)

// joining asks the other members named in InitialCluster who belongs to the cluster, and finds this member among them.
func joining(ctx context.Context, c config.Config, client *tls.Config) (config.Founding, error) {
	urls, err := c.InitialMembers()
	if err != nil {
		return config.Founding{}, err
	}
	var others []string
	for name, of := range urls {
		if name != c.Name {
			others = append(others, of...)
		}
	}
	if len(others) == 0 {
		return config.Founding{}, fmt.Errorf("--initial-cluster-state=%s: --initial-cluster=%s names no other member to join", config.ClusterExisting, c.InitialCluster)
	}
	// A member that has not heard of the addition yet may be the one that answers: ask the others too, and again.
	ctx, cancel := context.WithTimeout(ctx, joinTimeout)
	defer cancel()
	for {
		found, err := askWhoIsThere(ctx, c, others, client)
		if err == nil || errors.Is(err, ErrBootstrapped) {
			return found, err
		}
		timer := time.NewTimer(joinRetry)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return config.Founding{}, fmt.Errorf("--initial-cluster-state=%s: %w", config.ClusterExisting, err)
		}
	}
}

// askWhoIsThere asks each of the others in turn, until one knows this member.
func askWhoIsThere(ctx context.Context, c config.Config, others []string, client *tls.Config) (config.Founding, error) {
	var answers []error
	for _, url := range others {
		clusterID, members, err := peer.FetchMembers(ctx, []string{url}, client)
		if err != nil {
			answers = append(answers, err)
			continue
		}
		for _, member := range members {
			if config.SameURLs(member.GetPeerUrls(), c.InitialAdvertisePeerURLs) {
				if len(member.GetClientUrls()) > 0 {
					return config.Founding{}, bootstrapped(c, member.GetId(), url)
				}
				return config.Founding{ClusterID: clusterID, MemberID: member.GetId(), Members: members, Join: true}, nil
			}
		}
		answers = append(answers, fmt.Errorf("%s knows no member with --initial-advertise-peer-urls=%s: add it first (etcdctl member add)", url, strings.Join(c.InitialAdvertisePeerURLs, ",")))
	}
	return config.Founding{}, errors.Join(answers...)
}
