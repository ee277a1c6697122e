// Package founders reads who founds a cluster, as --initial-cluster and --initial-advertise-peer-urls say it, and gives the members the ids
// that etcd would. The server and the tool that restores a snapshot must come to the same. It looks up no names.
package founders

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/pkg/identity"
)

// Parse takes a list of the form name=url,name=url apart: the peer URLs, sorted, of each member's name.
func Parse(list string) (map[string][]string, error) {
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

// Members makes members of URLs by name, ordered by name.
func Members(urls map[string][]string) []*consensusv1.Member {
	var members []*consensusv1.Member
	for _, name := range slices.Sorted(maps.Keys(urls)) {
		members = append(members, &consensusv1.Member{Name: name, PeerUrls: urls[name]})
	}
	return members
}

// Identify gives the members their ids, which depend on their URLs and the token, and returns the cluster's.
func Identify(members []*consensusv1.Member, token string) (clusterID uint64, err error) {
	var ids []uint64
	for _, member := range members {
		member.Id = identity.MemberID(member.GetPeerUrls(), token)
		if slices.Contains(ids, member.GetId()) {
			return 0, fmt.Errorf("two members have the id %x: change --initial-cluster-token", member.GetId())
		}
		ids = append(ids, member.GetId())
	}
	return identity.ClusterID(ids), nil
}

// SameURLs tells whether two lists hold the same URLs.
func SameURLs(a, b []string) bool {
	return slices.Equal(slices.Compact(slices.Sorted(slices.Values(a))), slices.Compact(slices.Sorted(slices.Values(b))))
}
