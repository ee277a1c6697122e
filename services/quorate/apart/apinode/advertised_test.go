package apinode

import (
	"context"
	"net"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/api/port"
	"github.com/quoratedb/quorate/services/quorate/config"
)

// lister is a store that lists members and does nothing else.
type lister struct {
	port.Consensus
	members []*consensusv1.Member
}

func (l lister) Members(context.Context, *consensusv1.MembersRequest) (*consensusv1.MembersResponse, error) {
	return &consensusv1.MembersResponse{Members: l.members}, nil
}

// Goal: a client that takes its endpoints from the member list is left with some, while what members advertise by themselves
// stays, and who has not started has none. Method: a list with one of each; the store's own answer stays as it was.
func TestMembersWithoutClientURLsAreReachedHere(t *testing.T) {
	silent := &consensusv1.Member{Id: 1, Name: "silent"}
	speaking := &consensusv1.Member{Id: 2, Name: "speaking", ClientUrls: []string{"http://api:2379"}}
	unstarted := &consensusv1.Member{Id: 3}
	before := proto.CloneOf(silent)
	told := &advertised{Consensus: lister{members: []*consensusv1.Member{silent, speaking, unstarted}}, urls: []string{"http://here:2379"}}
	answer, err := told.Members(t.Context(), &consensusv1.MembersRequest{})
	require.NoError(t, err)
	var urls [][]string
	for _, m := range answer.Members {
		urls = append(urls, m.ClientUrls)
	}
	require.Equal(t, [][]string{{"http://here:2379"}, {"http://api:2379"}, nil}, urls)
	require.True(t, proto.Equal(before, silent), "the store's answer is not ours to change")
}

// Goal: what a node advertises by default others can reach, however it listens. Method: the ways to listen, on hosts with
// different addresses.
func TestAdvertisedByDefault(t *testing.T) {
	addresses := func(texts ...string) (made []net.Addr) {
		for _, text := range texts {
			ip, network, err := net.ParseCIDR(text)
			require.NoError(t, err)
			made = append(made, &net.IPNet{IP: ip, Mask: network.Mask})
		}
		return made
	}
	both := addresses("127.0.0.1/8", "::1/128", "fe80::1/64", "fd00::7/64", "10.0.0.7/8", "10.0.0.8/8")
	onlyV6 := addresses("127.0.0.1/8", "fd00::7/64")
	for _, c := range []struct {
		listen, want []string
		host         []net.Addr
	}{
		{[]string{"http://localhost:2379"}, []string{"http://localhost:2379"}, both},
		{[]string{"https://api:2379", "http://api:2378"}, []string{"https://api:2379", "http://api:2378"}, nil},
		{[]string{"https://0.0.0.0:2379"}, []string{"https://10.0.0.7:2379"}, both},
		{[]string{"http://[::]:2379"}, []string{"http://10.0.0.7:2379"}, both},
		{[]string{"http://:2379"}, []string{"http://10.0.0.7:2379"}, both},
		{[]string{"http://[::]:2379"}, []string{"http://[fd00::7]:2379"}, onlyV6},
		{[]string{"http://0.0.0.0:2379"}, nil, onlyV6},
		{[]string{"http://0.0.0.0:2379"}, nil, nil},
		{[]string{"unix://localhost:2379"}, []string{"unix://localhost:2379"}, both},
		{[]string{"unix://localhost:2379", "http://0.0.0.0:1"}, []string{"http://10.0.0.7:1"}, both},
	} {
		var listening []*config.Endpoint
		for _, text := range c.listen {
			u, err := url.Parse(text)
			require.NoError(t, err)
			listening = append(listening, &config.Endpoint{URL: u})
		}
		require.Equal(t, c.want, reachable(listening, c.host), "%v on %v", c.listen, c.host)
	}
}
