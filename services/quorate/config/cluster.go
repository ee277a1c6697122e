package config

import (
	"errors"
	"fmt"
	"maps"
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
	Join      bool // the cluster exists and has a state to give
}

// Founders works out ids from InitialCluster, the same on every member.
func (c Config) Founders() (Founding, error) {
	urls, err := c.InitialMembers()
	if err != nil {
		return Founding{}, err
	}
	own, known := urls[c.Name]
	if !known {
		return Founding{}, fmt.Errorf("does not hold --name=%s", c.Name)
	}
	if !SameURLs(own, c.InitialAdvertisePeerURLs) {
		return Founding{}, fmt.Errorf("has %s for this member, but --initial-advertise-peer-urls=%s", strings.Join(own, ","), strings.Join(c.InitialAdvertisePeerURLs, ","))
	}
	var made Founding
	var ids []uint64
	for _, name := range slices.Sorted(maps.Keys(urls)) {
		id := identity.MemberID(urls[name], c.InitialClusterToken)
		if slices.Contains(ids, id) {
			return Founding{}, fmt.Errorf("two members have the id %x: change --initial-cluster-token", id)
		}
		ids = append(ids, id)
		made.Members = append(made.Members, &consensusv1.Member{Id: id, Name: name, PeerUrls: urls[name]})
		if name == c.Name {
			made.MemberID = id
		}
	}
	made.ClusterID = identity.ClusterID(ids)
	return made, nil
}

// InitialMembers is InitialCluster taken apart: the peer URLs, sorted, of each member's name.
func (c Config) InitialMembers() (map[string][]string, error) {
	if c.InitialCluster == "" {
		return map[string][]string{c.Name: slices.Sorted(slices.Values(c.InitialAdvertisePeerURLs))}, nil
	}
	urls := map[string][]string{}
	taken := map[string]bool{}
	var wrong []error
	for entry := range strings.SplitSeq(c.InitialCluster, ",") {
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

// SameURLs tells whether two lists hold the same URLs.
func SameURLs(a, b []string) bool {
	return slices.Equal(slices.Compact(slices.Sorted(slices.Values(a))), slices.Compact(slices.Sorted(slices.Values(b))))
}
