package v3

import (
	"context"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/quoratedb/quorate/services/api/internal/etcdconnect/v3lockpb"
)

// errLockExpired is etcd's, whose code for it is this one.
var errLockExpired = status.Error(codes.Unknown, "mutex: session is expired")

// LockServer is etcd's Lock service.
type LockServer struct{ turns *turns }

// Lock waits until the caller holds the lock. The revision of its header is the fencing token: it is no lower than the one that
// made the key, and higher than that of every answer to a holder before. A caller who leaves, or runs out of time, is out of the queue.
func (s *LockServer) Lock(ctx context.Context, r *v3lockpb.LockRequest) (*v3lockpb.LockResponse, error) {
	p, err := s.turns.join(ctx, r.GetName(), r.GetLease(), nil)
	if err != nil {
		return nil, err
	}
	if err := s.turns.await(ctx, p, errLockExpired); err != nil {
		return nil, err
	}
	return &v3lockpb.LockResponse{Header: p.header, Key: p.key}, nil
}

// Unlock deletes the key of a lock. As with etcd there may be none.
func (s *LockServer) Unlock(ctx context.Context, r *v3lockpb.UnlockRequest) (*v3lockpb.UnlockResponse, error) {
	answer, err := s.turns.kv.DeleteRange(ctx, &etcdserverpb.DeleteRangeRequest{Key: r.GetKey()})
	if err != nil {
		return nil, err
	}
	return &v3lockpb.UnlockResponse{Header: answer.GetHeader()}, nil
}

// lockService is what RegisterLock serves.
type lockService interface {
	Lock(context.Context, *v3lockpb.LockRequest) (*v3lockpb.LockResponse, error)
	Unlock(context.Context, *v3lockpb.UnlockRequest) (*v3lockpb.UnlockResponse, error)
}

var _ lockService = (*LockServer)(nil)

// RegisterLock adds the service to a gRPC server.
func RegisterLock(server grpc.ServiceRegistrar, lock lockService) {
	service := v3lockpb.File_v3lockpb_v3lock_proto.Services().ByName("Lock")
	server.RegisterService(&grpc.ServiceDesc{
		ServiceName: string(service.FullName()),
		HandlerType: (*lockService)(nil),
		Methods: []grpc.MethodDesc{
			unaryMethod(string(service.FullName()), "Lock", lockService.Lock),
			unaryMethod(string(service.FullName()), "Unlock", lockService.Unlock),
		},
		Metadata: service.ParentFile().Path(),
	}, lock)
}
