package config

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/pkg/identity"
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
	if !SameURLs(own, c.InitialAdvertisePeerURLs) && !namesHosts(own, c.InitialAdvertisePeerURLs) {
		return Founding{}, fmt.Errorf("has %s for this member, but --initial-advertise-peer-urls=%s", strings.Join(own, ","), strings.Join(c.InitialAdvertisePeerURLs, ","))
	}
	var made Founding
	for _, name := range slices.Sorted(maps.Keys(urls)) {
		made.Members = append(made.Members, &consensusv1.Member{Name: name, PeerUrls: urls[name]})
	}
	made.Token = c.InitialClusterToken
	return made, made.Identify(func(m *consensusv1.Member) bool { return m.GetName() == c.Name })
}

// Discovers tells whether the founding members are found otherwise than by InitialCluster.
func (c Config) Discovers() bool { return c.DiscoverySRV != "" || len(c.Discovery.Endpoints) > 0 }

// Identify gives the members their ids, which depend on their URLs and Token, and the cluster its own. own tells which of
// them is this member.
func (f *Founding) Identify(own func(*consensusv1.Member) bool) error {
	var ids []uint64
	for _, member := range f.Members {
		member.Id = identity.MemberID(member.GetPeerUrls(), f.Token)
		if slices.Contains(ids, member.GetId()) {
			return fmt.Errorf("two members have the id %x: change --initial-cluster-token", member.GetId())
		}
		ids = append(ids, member.GetId())
		if own(member) {
			f.MemberID = member.GetId()
		}
	}
	f.ClusterID = identity.ClusterID(ids)
	return nil
}

// InitialMembers is InitialCluster taken apart: the peer URLs, sorted, of each member's name.
func (c Config) InitialMembers() (map[string][]string, error) {
	if c.InitialCluster == "" {
		return map[string][]string{c.Name: slices.Sorted(slices.Values(c.InitialAdvertisePeerURLs))}, nil
	}
	return ParseMembers(c.InitialCluster)
}

// ParseMembers takes a list of the form name=url,name=url apart: the peer URLs, sorted, of each member's name.
func ParseMembers(list string) (map[string][]string, error) {
	urls := map[string][]string{}
	taken := map[string]bool{}
	var wrong []error
	for entry := range strings.SplitSeq(list, ",") {
		name, text, _ := strings.Cut(strings.TrimSpace(entry), "=")
		u, err := ParseURL(text)
		switch {
		case entry == "": // a comma too many
		case name == "" || err != nil:
			wrong = append(wrong, fmt.Errorf("%q is not of the form name=http://host:port", entry))
		case taken[u.String()]:
			wrong = append(wrong, fmt.Errorf("%s is given twice", u))
		default:
			taken[u.String()] = true
			urls[name] = append(urls[name], u.String())
		}
	}
	for _, of := range urls {
		slices.Sort(of)
	}
	return urls, errors.Join(wrong...)
}

// namesHosts tells whether any URL has a host that must be looked up.
func namesHosts(lists ...[]string) bool {
	for _, text := range slices.Concat(lists...) {
		if u, err := ParseURL(text); err == nil && !isSocket(u) && u.Hostname() != "localhost" && net.ParseIP(u.Hostname()) == nil {
			return true
		}
	}
	return false
}

// SameURLs tells whether two lists hold the same URLs.
func SameURLs(a, b []string) bool {
	return slices.Equal(slices.Compact(slices.Sorted(slices.Values(a))), slices.Compact(slices.Sorted(slices.Values(b))))
}
