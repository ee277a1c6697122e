package v3

import (
	"bytes"
	"context"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/quoratedb/quorate/services/api/internal/etcdconnect/v3electionpb"
)

// What etcd says, with its codes.
var (
	errNotLeading    = status.Error(codes.Unknown, "election: not leader")
	errNobodyLeads   = status.Error(codes.Unknown, "election: no leader")
	errMissingLeader = status.Error(codes.Unknown, `"leader" field must be provided`)
)

// ElectionServer is etcd's Election service.
type ElectionServer struct{ turns *turns }

// Campaign waits until the caller leads. The revision of the answer's key is the fencing token. A caller who leaves, or runs out of time, is
// out of the queue.
func (s *ElectionServer) Campaign(ctx context.Context, r *v3electionpb.CampaignRequest) (*v3electionpb.CampaignResponse, error) {
	p, err := s.turns.join(ctx, r.GetName(), r.GetLease(), r.GetValue())
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(p.value, r.GetValue()) {
		if _, err := s.proclaim(ctx, p.key, p.made, p.lease, r.GetValue()); err != nil {
			return nil, err
		}
	}
	if err := s.turns.await(ctx, p, errNotLeading); err != nil {
		return nil, err
	}
	leader := &v3electionpb.LeaderKey{Name: r.GetName(), Key: p.key, Rev: p.made, Lease: p.lease}
	return &v3electionpb.CampaignResponse{Header: p.header, Leader: leader}, nil
}

// Proclaim replaces the leader's value.
func (s *ElectionServer) Proclaim(ctx context.Context, r *v3electionpb.ProclaimRequest) (*v3electionpb.ProclaimResponse, error) {
	leader := r.GetLeader()
	if leader == nil {
		return nil, errMissingLeader
	}
	header, err := s.proclaim(ctx, leader.GetKey(), leader.GetRev(), leader.GetLease(), r.GetValue())
	if err != nil {
		return nil, err
	}
	return &v3electionpb.ProclaimResponse{Header: header}, nil
}

func (s *ElectionServer) proclaim(ctx context.Context, key []byte, made, lease int64, value []byte) (*etcdserverpb.ResponseHeader, error) {
	answer, err := s.turns.kv.Txn(ctx, &etcdserverpb.TxnRequest{
		Compare: []*etcdserverpb.Compare{madeAt(key, made)},
		Success: []*etcdserverpb.RequestOp{putOp(key, value, lease)},
	})
	switch {
	case err != nil:
		return nil, err
	case !answer.GetSucceeded():
		return nil, errNotLeading
	}
	return answer.GetHeader(), nil
}

// Leader returns who leads.
func (s *ElectionServer) Leader(ctx context.Context, r *v3electionpb.LeaderRequest) (*v3electionpb.LeaderResponse, error) {
	answer, err := s.turns.kv.Range(ctx, firstOf(prefixOf(r.GetName()), 0))
	switch {
	case err != nil:
		return nil, err
	case len(answer.GetKvs()) == 0:
		return nil, errNobodyLeads
	}
	return &v3electionpb.LeaderResponse{Header: answer.GetHeader(), Kv: answer.GetKvs()[0]}, nil
}

// Resign gives leadership, or the place in the queue for it, up. It is no error if it is gone already.
func (s *ElectionServer) Resign(ctx context.Context, r *v3electionpb.ResignRequest) (*v3electionpb.ResignResponse, error) {
	leader := r.GetLeader()
	if leader == nil {
		return nil, errMissingLeader
	}
	answer, err := s.turns.leave(ctx, leader.GetKey(), leader.GetRev())
	if err != nil {
		return nil, err
	}
	return &v3electionpb.ResignResponse{Header: answer.GetHeader()}, nil
}

// electionService is what RegisterElection serves.
type electionService interface {
	Campaign(context.Context, *v3electionpb.CampaignRequest) (*v3electionpb.CampaignResponse, error)
	Proclaim(context.Context, *v3electionpb.ProclaimRequest) (*v3electionpb.ProclaimResponse, error)
	Leader(context.Context, *v3electionpb.LeaderRequest) (*v3electionpb.LeaderResponse, error)
	Observe(*v3electionpb.LeaderRequest, grpc.ServerStreamingServer[v3electionpb.LeaderResponse]) error
	Resign(context.Context, *v3electionpb.ResignRequest) (*v3electionpb.ResignResponse, error)
}

var _ electionService = (*ElectionServer)(nil)

// RegisterElection adds the service to a gRPC server.
func RegisterElection(server grpc.ServiceRegistrar, election electionService) {
	service := v3electionpb.File_v3electionpb_v3election_proto.Services().ByName("Election")
	server.RegisterService(&grpc.ServiceDesc{
		ServiceName: string(service.FullName()),
		HandlerType: (*electionService)(nil),
		Methods: []grpc.MethodDesc{
			unaryMethod(string(service.FullName()), "Campaign", electionService.Campaign),
			unaryMethod(string(service.FullName()), "Proclaim", electionService.Proclaim),
			unaryMethod(string(service.FullName()), "Leader", electionService.Leader),
			unaryMethod(string(service.FullName()), "Resign", electionService.Resign),
		},
		Streams: []grpc.StreamDesc{{StreamName: "Observe", ServerStreams: true, Handler: func(server any, stream grpc.ServerStream) error {
			request := new(v3electionpb.LeaderRequest)
			if err := stream.RecvMsg(request); err != nil {
				return err
			}
			answers := &grpc.GenericServerStream[v3electionpb.LeaderRequest, v3electionpb.LeaderResponse]{ServerStream: stream}
			return server.(electionService).Observe(request, answers)
		}}},
		Metadata: service.ParentFile().Path(),
	}, election)
}
