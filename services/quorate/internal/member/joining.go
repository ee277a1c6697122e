package member

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/quoratedb/quorate/pkg/founders"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/consensus/peer"
	"github.com/quoratedb/quorate/services/quorate/config"
)

const (
	// joinTimeout is how long a member that joins waits for the others to know it, joinRetry how often it asks, and joinNotice
	// how often it says what it waits for.
	joinTimeout = 10 * time.Second
	joinRetry   = 250 * time.Millisecond
	joinNotice  = 3 * time.Second
)

// joining asks the other members that are named who belongs to the cluster, and finds this member among them.
func (f finder) joining(ctx context.Context, named config.Founding) (config.Founding, error) {
	var others []string
	for _, member := range named.Members {
		if member.GetId() != named.MemberID {
			others = append(others, member.GetPeerUrls()...)
		}
	}
	if len(others) == 0 {
		return config.Founding{}, fmt.Errorf("--initial-cluster-state=%s: --initial-cluster=%s names no other member to join", config.ClusterExisting, f.config.InitialCluster)
	}
	// A member that has not heard of the addition yet may be the one that answers: ask the others too, and again.
	ctx, cancel := context.WithTimeout(ctx, joinTimeout)
	defer cancel()
	f.log.Info("this member joins a cluster: it asks the others who belongs to it", "urls", strings.Join(others, ","))
	var noticed time.Time
	for {
		found, err := f.askWhoIsThere(ctx, others)
		if err == nil || errors.Is(err, ErrBootstrapped) {
			return found, err
		}
		if time.Since(noticed) >= joinNotice {
			noticed = time.Now()
			f.log.Warn("this member waits to be known to the cluster: has it been added? (etcdctl member add "+f.config.Name+" --peer-urls="+strings.Join(f.config.InitialAdvertisePeerURLs, ",")+")",
				"gives-up-after", joinTimeout.String(), "error", err)
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
func (f finder) askWhoIsThere(ctx context.Context, others []string) (config.Founding, error) {
	var answers []error
	for _, url := range others {
		clusterID, members, err := peer.FetchMembers(ctx, []string{url}, f.config.LocalPeerAddress(), f.client)
		if err != nil {
			answers = append(answers, err)
			continue
		}
		if self := f.among(ctx, members); self != nil {
			if len(self.GetClientUrls()) > 0 {
				return config.Founding{}, f.bootstrapped(self.GetId(), url)
			}
			return config.Founding{ClusterID: clusterID, MemberID: self.GetId(), Members: members, Token: f.config.InitialClusterToken, Join: true}, nil
		}
		answers = append(answers, fmt.Errorf("%s knows no member with --initial-advertise-peer-urls=%s: add it first (etcdctl member add)", url, strings.Join(f.config.InitialAdvertisePeerURLs, ",")))
	}
	return config.Founding{}, errors.Join(answers...)
}

// among returns the member with this one's URLs, nil if there is none. Names are looked up only where no texts are the same.
func (f finder) among(ctx context.Context, members []*consensusv1.Member) *consensusv1.Member {
	for _, member := range members {
		if founders.SameURLs(member.GetPeerUrls(), f.config.InitialAdvertisePeerURLs) {
			return member
		}
	}
	for _, member := range members {
		if same, err := f.sameURLs(ctx, member.GetPeerUrls(), f.config.InitialAdvertisePeerURLs); err == nil && same {
			return member
		}
	}
	return nil
}
