package v3

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	quoratev1 "github.com/quoratedb/quorate/pkg/gen/quorate/v1"
	"github.com/quoratedb/quorate/services/api/internal/auth"
	"github.com/quoratedb/quorate/services/api/port"
)

// quotaPrefixBytesMax bounds the prefix of a quota.
const quotaPrefixBytesMax = 1024

var errNoQuotas = status.Error(codes.Unimplemented, "quorate: the store behind this server has no quotas by prefix")

// QuotaServer sets and shows quotas by prefix, which etcd has not. The store checks that its caller is root.
type QuotaServer struct {
	*backend
	// quotas is nil where there are none.
	quotas port.Quotas
}

// QuotaSet sets the quota of a prefix. It waits some seconds for what is in use to be counted, so that the answer can tell.
func (s *QuotaServer) QuotaSet(ctx context.Context, r *quoratev1.QuotaSetRequest) (*quoratev1.QuotaSetResponse, error) {
	if s.quotas == nil {
		return nil, errNoQuotas
	}
	if err := checkQuota(r); err != nil {
		return nil, err
	}
	l := r.GetLimits()
	limits := &consensusv1.QuotaLimits{SoftKeys: l.GetSoftKeys(), SoftBytes: l.GetSoftBytes(), HardKeys: l.GetHardKeys(), HardBytes: l.GetHardBytes()}
	set, err := s.change(ctx, &consensusv1.QuotaOp{Op: &consensusv1.QuotaOp_Set{Set: &consensusv1.QuotaSetOp{Prefix: r.GetPrefix(), Limits: limits}}})
	if err != nil {
		return nil, err
	}
	if set.GetQuota().GetCounting() {
		found, err := s.read(ctx, &consensusv1.ReadQuotasRequest{AwaitCounted: true, Prefix: r.GetPrefix()})
		if err != nil {
			// It is set all the same.
			return &quoratev1.QuotaSetResponse{Quota: quotaOf(set)}, nil
		}
		for _, q := range found {
			if string(q.GetQuota().GetPrefix()) == string(r.GetPrefix()) {
				set = q
			}
		}
	}
	return &quoratev1.QuotaSetResponse{Quota: quotaOf(set)}, nil
}

// checkQuota refuses quotas that make no sense, and says why.
func checkQuota(r *quoratev1.QuotaSetRequest) error {
	l := r.GetLimits()
	switch {
	case len(r.GetPrefix()) > quotaPrefixBytesMax:
		return status.Errorf(codes.InvalidArgument, "quorate: the prefix has %d bytes, a quota's may have %d", len(r.GetPrefix()), quotaPrefixBytesMax)
	case min(l.GetSoftKeys(), l.GetSoftBytes(), l.GetHardKeys(), l.GetHardBytes()) < 0:
		return status.Error(codes.InvalidArgument, "quorate: a limit is below 0; 0 stands for none")
	case max(l.GetSoftKeys(), l.GetSoftBytes(), l.GetHardKeys(), l.GetHardBytes()) == 0:
		return status.Error(codes.InvalidArgument, "quorate: a quota needs a limit: soft_keys, soft_bytes, hard_keys or hard_bytes")
	case l.GetHardKeys() > 0 && l.GetSoftKeys() > l.GetHardKeys():
		return status.Errorf(codes.InvalidArgument, "quorate: soft_keys, %d, is above hard_keys, %d", l.GetSoftKeys(), l.GetHardKeys())
	case l.GetHardBytes() > 0 && l.GetSoftBytes() > l.GetHardBytes():
		return status.Errorf(codes.InvalidArgument, "quorate: soft_bytes, %d, is above hard_bytes, %d", l.GetSoftBytes(), l.GetHardBytes())
	}
	return nil
}

// QuotaDelete deletes the quota of a prefix, none of its keys.
func (s *QuotaServer) QuotaDelete(ctx context.Context, r *quoratev1.QuotaDeleteRequest) (*quoratev1.QuotaDeleteResponse, error) {
	if s.quotas == nil {
		return nil, errNoQuotas
	}
	_, err := s.change(ctx, &consensusv1.QuotaOp{Op: &consensusv1.QuotaOp_Delete{Delete: &consensusv1.QuotaDeleteOp{Prefix: r.GetPrefix()}}})
	if err != nil {
		return nil, err
	}
	return &quoratev1.QuotaDeleteResponse{}, nil
}

// QuotaList shows all quotas.
func (s *QuotaServer) QuotaList(ctx context.Context, _ *quoratev1.QuotaListRequest) (*quoratev1.QuotaListResponse, error) {
	if s.quotas == nil {
		return nil, errNoQuotas
	}
	found, err := s.read(ctx, &consensusv1.ReadQuotasRequest{})
	if err != nil {
		return nil, err
	}
	list := &quoratev1.QuotaListResponse{Quotas: make([]*quoratev1.Quota, len(found))}
	for i, q := range found {
		list.Quotas[i] = quotaOf(q)
	}
	return list, nil
}

// change has quotas changed. The error is ready for the client.
func (s *QuotaServer) change(ctx context.Context, op *consensusv1.QuotaOp) (*consensusv1.QuotaStatus, error) {
	result, err := s.propose(ctx, &consensusv1.ProposeRequest{Command: &consensusv1.Command{Command: &consensusv1.Command_Quota{Quota: op}}})
	return result.GetQuota().GetQuota(), err
}

// read reads quotas, for the caller of ctx. The error is ready for the client.
func (s *QuotaServer) read(ctx context.Context, request *consensusv1.ReadQuotasRequest) ([]*consensusv1.QuotaStatus, error) {
	bounded, cancel := s.bound(ctx)
	defer cancel()
	request.Caller = auth.Caller(ctx)
	found, err := s.quotas.ReadQuotas(bounded, request)
	if err != nil {
		return nil, s.failure(bounded, err)
	}
	return found.GetQuotas(), nil
}

func quotaOf(q *consensusv1.QuotaStatus) *quoratev1.Quota {
	l := q.GetQuota().GetLimits()
	return &quoratev1.Quota{
		Prefix:   q.GetQuota().GetPrefix(),
		Limits:   &quoratev1.QuotaLimits{SoftKeys: l.GetSoftKeys(), SoftBytes: l.GetSoftBytes(), HardKeys: l.GetHardKeys(), HardBytes: l.GetHardBytes()},
		Counting: q.GetQuota().GetCounting(),
		Keys:     q.GetUse().GetKeys(), Bytes: q.GetUse().GetBytes(),
		SoftExceeded: q.GetSoftExceeded(), HardExceeded: q.GetHardExceeded(),
	}
}

// quotaService is the service's full name.
var quotaService = string(quoratev1.File_quorate_v1_quota_proto.Services().ByName("QuotaService").FullName())

// RegisterQuotas adds the service to a gRPC server.
func RegisterQuotas(server grpc.ServiceRegistrar, quotas QuotaService) {
	server.RegisterService(&grpc.ServiceDesc{
		ServiceName: quotaService,
		HandlerType: (*QuotaService)(nil),
		Methods: []grpc.MethodDesc{
			unaryMethod(quotaService, "QuotaSet", QuotaService.QuotaSet),
			unaryMethod(quotaService, "QuotaDelete", QuotaService.QuotaDelete),
			unaryMethod(quotaService, "QuotaList", QuotaService.QuotaList),
		},
		Metadata: quoratev1.File_quorate_v1_quota_proto.Path(),
	}, quotas)
}

// QuotaService is what RegisterQuotas serves.
type QuotaService interface {
	QuotaSet(context.Context, *quoratev1.QuotaSetRequest) (*quoratev1.QuotaSetResponse, error)
	QuotaDelete(context.Context, *quoratev1.QuotaDeleteRequest) (*quoratev1.QuotaDeleteResponse, error)
	QuotaList(context.Context, *quoratev1.QuotaListRequest) (*quoratev1.QuotaListResponse, error)
}
