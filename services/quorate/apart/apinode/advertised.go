package apinode

import (
	"context"
	"net"
	"net/url"

	"google.golang.org/protobuf/proto"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/api/port"
	"github.com/quoratedb/quorate/services/quorate/config"
)

// advertised is the store as clients of this node are told of it: a member that advertises no client URLs, because it does
// not know where the API's nodes are, is reached here. A client that takes its endpoints from the member list, as clientv3's
// Sync does, would else be left with none.
type advertised struct {
	port.Consensus
	urls []string
}

// Members implements port.Consensus.
func (a *advertised) Members(ctx context.Context, r *consensusv1.MembersRequest) (*consensusv1.MembersResponse, error) {
	answer, err := a.Consensus.Members(ctx, r)
	return filled(a, answer, err)
}

// AddMember implements port.Consensus.
func (a *advertised) AddMember(ctx context.Context, r *consensusv1.AddMemberRequest) (*consensusv1.AddMemberResponse, error) {
	answer, err := a.Consensus.AddMember(ctx, r)
	return filled(a, answer, err)
}

// RemoveMember implements port.Consensus.
func (a *advertised) RemoveMember(ctx context.Context, r *consensusv1.RemoveMemberRequest) (*consensusv1.RemoveMemberResponse, error) {
	answer, err := a.Consensus.RemoveMember(ctx, r)
	return filled(a, answer, err)
}

// UpdateMember implements port.Consensus.
func (a *advertised) UpdateMember(ctx context.Context, r *consensusv1.UpdateMemberRequest) (*consensusv1.UpdateMemberResponse, error) {
	answer, err := a.Consensus.UpdateMember(ctx, r)
	return filled(a, answer, err)
}

// PromoteMember implements port.Consensus.
func (a *advertised) PromoteMember(ctx context.Context, r *consensusv1.PromoteMemberRequest) (*consensusv1.PromoteMemberResponse, error) {
	answer, err := a.Consensus.PromoteMember(ctx, r)
	return filled(a, answer, err)
}

// listing is an answer that lists the members.
type listing interface {
	proto.Message
	GetMembers() []*consensusv1.Member
}

// filled is a store's answer as it is told. The store's own is immutable.
func filled[L listing](a *advertised, answer L, err error) (L, error) {
	if err != nil {
		return answer, err
	}
	answer = proto.CloneOf(answer)
	a.fill(answer.GetMembers())
	return answer, nil
}

// fill gives the node's URLs to members that have none. One without a name has not started yet, and has none with etcd either.
func (a *advertised) fill(members []*consensusv1.Member) {
	for _, m := range members {
		if m.GetName() != "" && len(m.GetClientUrls()) == 0 {
			m.ClientUrls = a.urls
		}
	}
}

// reachable are the URLs of listeners as others may call them. One that listens on all addresses is called by the first of
// the host's addresses that others can reach, and left out where the host has none of its family. Sockets are for this host,
// and told only if there is nothing else.
func reachable(listening []*config.Endpoint, addresses []net.Addr) []string {
	var urls, sockets []string
	for _, e := range listening {
		u := *e.URL
		if u.Scheme == "unix" || u.Scheme == "unixs" {
			sockets = append(sockets, u.String())
			continue
		}
		if ip := net.ParseIP(u.Hostname()); u.Hostname() == "" || ip != nil && ip.IsUnspecified() {
			host := ownAddress(addresses, ip.To4() != nil)
			if host == "" {
				continue
			}
			u.Host = net.JoinHostPort(host, u.Port())
		}
		urls = append(urls, (&url.URL{Scheme: u.Scheme, Host: u.Host}).String())
	}
	if len(urls) == 0 {
		return sockets
	}
	return urls
}

// ownAddress is the host's first address that others can reach, an IPv4 one if there is any; onlyV4 wants no other. Empty
// means that there is none.
func ownAddress(addresses []net.Addr, onlyV4 bool) string {
	var v6 string
	for _, address := range addresses {
		network, ok := address.(*net.IPNet)
		if !ok || !network.IP.IsGlobalUnicast() {
			continue
		}
		if network.IP.To4() != nil {
			return network.IP.String()
		}
		if v6 == "" {
			v6 = network.IP.String()
		}
	}
	if onlyV4 {
		return ""
	}
	return v6
}
