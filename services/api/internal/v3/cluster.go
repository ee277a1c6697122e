package v3

import (
	"context"

	"go.etcd.io/etcd/api/v3/etcdserverpb"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// ClusterServer is etcd's Cluster service. So far it can only list the members.
type ClusterServer struct {
	etcdserverpb.UnimplementedClusterServer
	*backend
}

// MemberList lists the cluster's members. As in etcd its header has no revision: members are not part of the history.
func (s *ClusterServer) MemberList(ctx context.Context, r *etcdserverpb.MemberListRequest) (*etcdserverpb.MemberListResponse, error) {
	bounded, cancel := s.bound(ctx)
	defer cancel()
	listed, err := s.consensus.Members(bounded, &consensusv1.MembersRequest{Serializable: !r.GetLinearizable()})
	if err != nil {
		return nil, s.failure(bounded, err)
	}
	header, err := s.headerNow(ctx)
	if err != nil {
		return nil, err
	}
	header.Revision = 0
	members := make([]*etcdserverpb.Member, len(listed.GetMembers()))
	for i, member := range listed.GetMembers() {
		members[i] = &etcdserverpb.Member{
			ID:         member.GetId(),
			Name:       member.GetName(),
			PeerURLs:   member.GetPeerUrls(),
			ClientURLs: member.GetClientUrls(),
			IsLearner:  member.GetIsLearner(),
		}
	}
	return &etcdserverpb.MemberListResponse{Header: header, Members: members}, nil
}
