package quorate

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/pkg/identity"
)

// founding is the cluster as its first members describe it.
type founding struct {
	clusterID uint64
	memberID  uint64 // this member's
	members   []*consensusv1.Member
	join      bool // the cluster exists and has a state to give
}

// founders works out ids from InitialCluster, the same on every member.
func (c Config) founders() (founding, error) {
	urls, err := c.initialCluster()
	if err != nil {
		return founding{}, err
	}
	own, known := urls[c.Name]
	if !known {
		return founding{}, fmt.Errorf("does not hold --name=%s", c.Name)
	}
	if !equalSets(own, c.InitialAdvertisePeerURLs) {
		return founding{}, fmt.Errorf("has %s for this member, but --initial-advertise-peer-urls=%s", strings.Join(own, ","), strings.Join(c.InitialAdvertisePeerURLs, ","))
	}
	var made founding
	var ids []uint64
	for _, name := range slices.Sorted(maps.Keys(urls)) {
		id := identity.MemberID(urls[name], c.InitialClusterToken)
		if slices.Contains(ids, id) {
			return founding{}, fmt.Errorf("two members have the id %x: change --initial-cluster-token", id)
		}
		ids = append(ids, id)
		made.members = append(made.members, &consensusv1.Member{Id: id, Name: name, PeerUrls: urls[name]})
		if name == c.Name {
			made.memberID = id
		}
	}
	made.clusterID = identity.ClusterID(ids)
	return made, nil
}

// initialCluster is InitialCluster taken apart: the peer URLs, sorted, of each member's name.
func (c Config) initialCluster() (map[string][]string, error) {
	if c.InitialCluster == "" {
		return map[string][]string{c.Name: slices.Sorted(slices.Values(c.InitialAdvertisePeerURLs))}, nil
	}
	urls := map[string][]string{}
	taken := map[string]bool{}
	var wrong []error
	for entry := range strings.SplitSeq(c.InitialCluster, ",") {
		name, text, _ := strings.Cut(strings.TrimSpace(entry), "=")
		u, err := parseURL(text)
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

func equalSets(a, b []string) bool {
	return slices.Equal(slices.Compact(slices.Sorted(slices.Values(a))), slices.Compact(slices.Sorted(slices.Values(b))))
}
