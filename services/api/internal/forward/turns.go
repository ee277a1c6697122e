package forward

import (
	"context"

	"go.etcd.io/etcd/api/v3/mvccpb"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/quoratedb/quorate/services/api/internal/etcdconnect/v3electionpb"
	"github.com/quoratedb/quorate/services/api/internal/etcdconnect/v3lockpb"
	"github.com/quoratedb/quorate/services/api/internal/upstream"
)

// Lock is etcd's Lock service. Names of locks are keys, and lie in the namespace.
type Lock struct {
	Cluster   Cluster
	Namespace Namespace
}

// Lock waits until the caller holds the lock.
func (s *Lock) Lock(ctx context.Context, r *v3lockpb.LockRequest) (*v3lockpb.LockResponse, error) {
	if s.Namespace != "" {
		r = proto.CloneOf(r)
		r.Name = append([]byte(s.Namespace), r.GetName()...)
	}
	answer, err := call[v3lockpb.LockResponse](ctx, s.Cluster, "/v3lockpb.Lock/Lock", r)
	if err != nil {
		return nil, err
	}
	answer.Key = s.Namespace.Strip(answer.GetKey())
	return answer, nil
}

// Unlock gives the lock up.
func (s *Lock) Unlock(ctx context.Context, r *v3lockpb.UnlockRequest) (*v3lockpb.UnlockResponse, error) {
	if s.Namespace != "" {
		r = proto.CloneOf(r)
		r.Key = s.Namespace.Key(r.GetKey())
	}
	return call[v3lockpb.UnlockResponse](ctx, s.Cluster, "/v3lockpb.Lock/Unlock", r)
}

// Election is etcd's Election service. Names of elections are keys, and lie in the namespace.
type Election struct {
	Cluster   Cluster
	Namespace Namespace
}

// inward is a leader's key as the cluster has it, outward as the client does.
func (s *Election) inward(leader *v3electionpb.LeaderKey) {
	if leader != nil && s.Namespace != "" {
		leader.Name = append([]byte(s.Namespace), leader.GetName()...)
		leader.Key = s.Namespace.Key(leader.GetKey())
	}
}

func (s *Election) outward(leader *v3electionpb.LeaderKey) {
	if leader != nil {
		leader.Name, leader.Key = s.Namespace.Strip(leader.GetName()), s.Namespace.Strip(leader.GetKey())
	}
}

func (s *Election) stripped(kv *mvccpb.KeyValue) { s.Namespace.strip(kv) }

// Campaign waits until the caller leads.
func (s *Election) Campaign(ctx context.Context, r *v3electionpb.CampaignRequest) (*v3electionpb.CampaignResponse, error) {
	if s.Namespace != "" {
		r = proto.CloneOf(r)
		r.Name = append([]byte(s.Namespace), r.GetName()...)
	}
	answer, err := call[v3electionpb.CampaignResponse](ctx, s.Cluster, "/v3electionpb.Election/Campaign", r)
	s.outward(answer.GetLeader())
	return answer, err
}

// Proclaim replaces the leader's value.
func (s *Election) Proclaim(ctx context.Context, r *v3electionpb.ProclaimRequest) (*v3electionpb.ProclaimResponse, error) {
	r = proto.CloneOf(r)
	s.inward(r.GetLeader())
	return call[v3electionpb.ProclaimResponse](ctx, s.Cluster, "/v3electionpb.Election/Proclaim", r)
}

// Leader returns who leads.
func (s *Election) Leader(ctx context.Context, r *v3electionpb.LeaderRequest) (*v3electionpb.LeaderResponse, error) {
	answer, err := call[v3electionpb.LeaderResponse](ctx, s.Cluster, "/v3electionpb.Election/Leader", s.leaderRequest(r))
	s.stripped(answer.GetKv())
	return answer, err
}

func (s *Election) leaderRequest(r *v3electionpb.LeaderRequest) *v3electionpb.LeaderRequest {
	if s.Namespace != "" {
		r = proto.CloneOf(r)
		r.Name = append([]byte(s.Namespace), r.GetName()...)
	}
	return r
}

// Observe tells each leader in turn.
func (s *Election) Observe(r *v3electionpb.LeaderRequest, stream grpc.ServerStreamingServer[v3electionpb.LeaderResponse]) error {
	ctx, cancel := context.WithCancel(Outgoing(stream.Context()))
	defer cancel()
	opened, err := s.Cluster.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, "/v3electionpb.Election/Observe")
	if err != nil {
		return upstream.StreamError(err)
	}
	leaders := &grpc.GenericClientStream[v3electionpb.LeaderRequest, v3electionpb.LeaderResponse]{ClientStream: opened}
	if err := leaders.Send(s.leaderRequest(r)); err != nil {
		return upstream.StreamError(leaders.RecvMsg(new(v3electionpb.LeaderResponse))) // which says why
	}
	_ = leaders.CloseSend() // it never fails
	return pass(leaders, func(leader *v3electionpb.LeaderResponse) error {
		s.stripped(leader.GetKv())
		return stream.Send(leader)
	})
}

// Resign gives leadership up.
func (s *Election) Resign(ctx context.Context, r *v3electionpb.ResignRequest) (*v3electionpb.ResignResponse, error) {
	r = proto.CloneOf(r)
	s.inward(r.GetLeader())
	return call[v3electionpb.ResignResponse](ctx, s.Cluster, "/v3electionpb.Election/Resign", r)
}
