package etcdreplay

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"go.etcd.io/etcd/api/v3/membershippb"
	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// Members is who belongs to the etcd's cluster.
type Members map[uint64]*consensusv1.Member

// NewMembers takes those that the database has.
func NewMembers(list []*consensusv1.Member) Members {
	m := Members{}
	for _, member := range list {
		m[member.GetId()] = proto.CloneOf(member)
	}
	return m
}

// List returns the members, ascending by id.
func (m Members) List() []*consensusv1.Member {
	var list []*consensusv1.Member
	for _, member := range m {
		list = append(list, member)
	}
	slices.SortFunc(list, func(a, b *consensusv1.Member) int { return cmp.Compare(a.GetId(), b.GetId()) })
	return list
}

// memberChange is the context of a change of members.
type memberChange struct {
	ID         uint64   `json:"id"`
	PeerURLs   []string `json:"peerURLs"`
	IsLearner  bool     `json:"isLearner"`
	Name       string   `json:"name"`
	ClientURLs []string `json:"clientURLs"`
	IsPromote  bool     `json:"isPromote"`
}

// change carries out a change of members. One that etcd refused has no effect here either.
func (m Members) change(entry *raftpb.Entry) error {
	change := &raftpb.ConfChange{}
	if err := proto.Unmarshal(entry.GetData(), change); err != nil {
		return err
	}
	if change.GetType() == raftpb.ConfChangeRemoveNode {
		delete(m, change.GetNodeId())
		return nil
	}
	var c memberChange
	if err := json.Unmarshal(change.GetContext(), &c); err != nil {
		return fmt.Errorf("a change of members: %w", err)
	}
	known := m[c.ID]
	switch {
	case m.taken(c.ID, c.PeerURLs):
	case c.IsPromote:
		if known != nil {
			known.IsLearner = false
		}
	case change.GetType() == raftpb.ConfChangeUpdateNode:
		if known != nil {
			known.PeerUrls = c.PeerURLs
		}
	case known == nil:
		m[c.ID] = &consensusv1.Member{Id: c.ID, PeerUrls: c.PeerURLs, IsLearner: c.IsLearner, Name: c.Name, ClientUrls: c.ClientURLs}
	}
	return nil
}

// taken tells whether another member has one of the URLs.
func (m Members) taken(id uint64, urls []string) bool {
	for _, member := range m {
		if member.GetId() != id && slices.ContainsFunc(member.GetPeerUrls(), func(url string) bool { return slices.Contains(urls, url) }) {
			return true
		}
	}
	return false
}

// publish takes down how a member that is known calls itself.
func (m Members) publish(r *membershippb.ClusterMemberAttrSetRequest) {
	if member := m[r.GetMember_ID()]; member != nil && r.GetMemberAttributes() != nil {
		member.Name, member.ClientUrls = r.GetMemberAttributes().GetName(), r.GetMemberAttributes().GetClientUrls()
	}
}

// memberPath is where the v2 store has what a member calls itself: /0/members/ID/attributes.
const memberPath = "/0/members/"

// published is the same as publish where etcd 3.4 and 3.5 say it by a request of v2. It tells whether the request is that.
func (m Members) published(path, value string) bool {
	id, isMember := strings.CutPrefix(path, memberPath)
	id, isAttributes := strings.CutSuffix(id, "/attributes")
	if !isMember || !isAttributes {
		return false
	}
	var c memberChange
	number, err := strconv.ParseUint(id, 16, 64)
	if member := m[number]; err == nil && member != nil && json.Unmarshal([]byte(value), &c) == nil {
		member.Name, member.ClientUrls = c.Name, c.ClientURLs
	}
	return true
}
