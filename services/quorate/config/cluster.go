package config

import (
	"fmt"
	"net"
	"slices"
	"strings"

	"github.com/quoratedb/quorate/pkg/founders"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// Founding is the cluster as its first members describe it.
type Founding struct {
	ClusterID uint64
	MemberID  uint64 // this member's
	Members   []*consensusv1.Member
	Token     string
	Join      bool // the cluster exists and has a state to give
}

// Founders works out ids from InitialCluster, the same on every member. Where host names are among this member's URLs in it,
// whether they lead to InitialAdvertisePeerURLs is for the caller to find out.
func (c Config) Founders() (Founding, error) {
	urls, err := c.InitialMembers()
	if err != nil {
		return Founding{}, err
	}
	own, known := urls[c.Name]
	if !known {
		return Founding{}, fmt.Errorf("does not hold --name=%s", c.Name)
	}
	if !founders.SameURLs(own, c.InitialAdvertisePeerURLs) && !namesHosts(own, c.InitialAdvertisePeerURLs) {
		return Founding{}, fmt.Errorf("has %s for this member, but --initial-advertise-peer-urls=%s", strings.Join(own, ","), strings.Join(c.InitialAdvertisePeerURLs, ","))
	}
	made := Founding{Members: founders.Members(urls), Token: c.InitialClusterToken}
	return made, made.Identify(func(m *consensusv1.Member) bool { return m.GetName() == c.Name })
}

// Discovers tells whether the founding members are found otherwise than by InitialCluster.
func (c Config) Discovers() bool { return c.DiscoverySRV != "" || len(c.Discovery.Endpoints) > 0 }

// Identify gives the members their ids, which depend on their URLs and Token, and the cluster its own. own tells which of
// them is this member.
func (f *Founding) Identify(own func(*consensusv1.Member) bool) error {
	id, err := founders.Identify(f.Members, f.Token)
	if err != nil {
		return err
	}
	f.ClusterID = id
	for _, member := range f.Members {
		if own(member) {
			f.MemberID = member.GetId()
		}
	}
	return nil
}

// InitialMembers is InitialCluster taken apart: the peer URLs, sorted, of each member's name.
func (c Config) InitialMembers() (map[string][]string, error) {
	if c.InitialCluster == "" {
		return map[string][]string{c.Name: slices.Sorted(slices.Values(c.InitialAdvertisePeerURLs))}, nil
	}
	return founders.Parse(c.InitialCluster)
}

// namesHosts tells whether any URL has a host that must be looked up.
func namesHosts(lists ...[]string) bool {
	for _, text := range slices.Concat(lists...) {
		if u, err := founders.ParseURL(text); err == nil && !isSocket(u) && u.Hostname() != "localhost" && net.ParseIP(u.Hostname()) == nil {
			return true
		}
	}
	return false
}
