package v3

import (
	"context"
	"net"
	"net/url"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/api/internal/peerurls"
)

// ClusterServer is etcd's Cluster service.
type ClusterServer struct {
	etcdserverpb.UnsafeClusterServer
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
	return &etcdserverpb.MemberListResponse{Header: header, Members: fromMembers(listed.GetMembers())}, nil
}

// MemberAdd adds a voter or a learner, which must then be started with the member list of the answer.
func (s *ClusterServer) MemberAdd(ctx context.Context, r *etcdserverpb.MemberAddRequest) (*etcdserverpb.MemberAddResponse, error) {
	if err := checkMemberURLs(r.GetPeerURLs()); err != nil {
		return nil, err
	}
	request := &consensusv1.AddMemberRequest{PeerUrls: r.GetPeerURLs(), IsLearner: r.GetIsLearner()}
	added, header, err := change(ctx, s.backend, s.consensus.AddMember, request)
	if err != nil {
		return nil, err
	}
	return &etcdserverpb.MemberAddResponse{Header: header, Member: fromMember(added.GetMember()), Members: fromMembers(added.GetMembers())}, nil
}

// MemberRemove removes a member, which then stops by itself.
func (s *ClusterServer) MemberRemove(ctx context.Context, r *etcdserverpb.MemberRemoveRequest) (*etcdserverpb.MemberRemoveResponse, error) {
	removed, header, err := change(ctx, s.backend, s.consensus.RemoveMember, &consensusv1.RemoveMemberRequest{Id: r.GetID()})
	if err != nil {
		return nil, err
	}
	return &etcdserverpb.MemberRemoveResponse{Header: header, Members: fromMembers(removed.GetMembers())}, nil
}

// MemberUpdate changes a member's peer URLs.
func (s *ClusterServer) MemberUpdate(ctx context.Context, r *etcdserverpb.MemberUpdateRequest) (*etcdserverpb.MemberUpdateResponse, error) {
	if err := checkMemberURLs(r.GetPeerURLs()); err != nil {
		return nil, err
	}
	request := &consensusv1.UpdateMemberRequest{Id: r.GetID(), PeerUrls: r.GetPeerURLs()}
	updated, header, err := change(ctx, s.backend, s.consensus.UpdateMember, request)
	if err != nil {
		return nil, err
	}
	return &etcdserverpb.MemberUpdateResponse{Header: header, Members: fromMembers(updated.GetMembers())}, nil
}

// MemberPromote makes a voter of a learner that has caught up.
func (s *ClusterServer) MemberPromote(ctx context.Context, r *etcdserverpb.MemberPromoteRequest) (*etcdserverpb.MemberPromoteResponse, error) {
	promoted, header, err := change(ctx, s.backend, s.consensus.PromoteMember, &consensusv1.PromoteMemberRequest{Id: r.GetID()})
	if err != nil {
		return nil, err
	}
	return &etcdserverpb.MemberPromoteResponse{Header: header, Members: fromMembers(promoted.GetMembers())}, nil
}

// change has members changed and makes the header of the answer. The error is ready for the client.
func change[Request, Response any](
	ctx context.Context, b *backend, call func(context.Context, Request) (Response, error), request Request,
) (response Response, header *etcdserverpb.ResponseHeader, err error) {
	bounded, cancel := b.bound(ctx)
	defer cancel()
	if response, err = call(bounded, request); err != nil {
		return response, nil, b.failure(bounded, err)
	}
	if header, err = b.headerNow(ctx); err != nil {
		return response, nil, err
	}
	header.Revision = 0
	return response, header, nil
}

// checkMemberURLs refuses what no member could listen at.
func checkMemberURLs(urls []string) error {
	if len(urls) == 0 || peerurls.TooMuch(urls) {
		return rpctypes.ErrGRPCMemberBadURLs
	}
	for _, text := range urls {
		u, err := url.Parse(text)
		if err != nil || u.Path != "" {
			return rpctypes.ErrGRPCMemberBadURLs
		}
		switch u.Scheme {
		case "unix", "unixs":
			continue
		case "http", "https":
		default:
			return rpctypes.ErrGRPCMemberBadURLs
		}
		if _, _, err := net.SplitHostPort(u.Host); err != nil {
			return rpctypes.ErrGRPCMemberBadURLs
		}
	}
	return nil
}

func fromMembers(listed []*consensusv1.Member) []*etcdserverpb.Member {
	members := make([]*etcdserverpb.Member, len(listed))
	for i, member := range listed {
		members[i] = fromMember(member)
	}
	return members
}

func fromMember(member *consensusv1.Member) *etcdserverpb.Member {
	return &etcdserverpb.Member{
		ID:         member.GetId(),
		Name:       member.GetName(),
		PeerURLs:   member.GetPeerUrls(),
		ClientURLs: member.GetClientUrls(),
		IsLearner:  member.GetIsLearner(),
	}
}
