package forward

import (
	"context"
	"slices"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
)

// ClusterServer is etcd's Cluster service.
type ClusterServer struct {
	etcdserverpb.UnsafeClusterServer
	Cluster Cluster
	// ClientURLs returns where clients are to go instead of to the members themselves; nil or none leaves the members'.
	ClientURLs func() []string
}

// tell has the started members of a list be reached where clients may reach them.
func (s *ClusterServer) tell(members []*etcdserverpb.Member) {
	if s.ClientURLs == nil {
		return
	}
	urls := s.ClientURLs()
	if len(urls) == 0 {
		return
	}
	for _, m := range members {
		if m.GetName() != "" {
			m.ClientURLs = slices.Clone(urls)
		}
	}
}

// MemberList lists the members.
func (s *ClusterServer) MemberList(ctx context.Context, r *etcdserverpb.MemberListRequest) (*etcdserverpb.MemberListResponse, error) {
	answer, err := call[etcdserverpb.MemberListResponse](ctx, s.Cluster, etcdserverpb.Cluster_MemberList_FullMethodName, r)
	s.tell(answer.GetMembers())
	return answer, err
}

// MemberAdd adds a member.
func (s *ClusterServer) MemberAdd(ctx context.Context, r *etcdserverpb.MemberAddRequest) (*etcdserverpb.MemberAddResponse, error) {
	answer, err := call[etcdserverpb.MemberAddResponse](ctx, s.Cluster, etcdserverpb.Cluster_MemberAdd_FullMethodName, r)
	s.tell(answer.GetMembers())
	return answer, err
}

// MemberRemove removes a member.
func (s *ClusterServer) MemberRemove(ctx context.Context, r *etcdserverpb.MemberRemoveRequest) (*etcdserverpb.MemberRemoveResponse, error) {
	answer, err := call[etcdserverpb.MemberRemoveResponse](ctx, s.Cluster, etcdserverpb.Cluster_MemberRemove_FullMethodName, r)
	s.tell(answer.GetMembers())
	return answer, err
}

// MemberUpdate changes a member's peer URLs.
func (s *ClusterServer) MemberUpdate(ctx context.Context, r *etcdserverpb.MemberUpdateRequest) (*etcdserverpb.MemberUpdateResponse, error) {
	answer, err := call[etcdserverpb.MemberUpdateResponse](ctx, s.Cluster, etcdserverpb.Cluster_MemberUpdate_FullMethodName, r)
	s.tell(answer.GetMembers())
	return answer, err
}

// MemberPromote makes a voter of a learner.
func (s *ClusterServer) MemberPromote(ctx context.Context, r *etcdserverpb.MemberPromoteRequest) (*etcdserverpb.MemberPromoteResponse, error) {
	answer, err := call[etcdserverpb.MemberPromoteResponse](ctx, s.Cluster, etcdserverpb.Cluster_MemberPromote_FullMethodName, r)
	s.tell(answer.GetMembers())
	return answer, err
}
