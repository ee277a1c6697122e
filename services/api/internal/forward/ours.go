package forward

import (
	"context"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	quoratev1 "github.com/quoratedb/quorate/pkg/gen/quorate/v1"
	"github.com/quoratedb/quorate/pkg/gen/quorate/v1/quoratev1connect"
)

// errNamespace is of services whose answers would show what lies outside of the namespace.
var errNamespace = status.Error(codes.Unimplemented, "quorate: this proxy has a namespace; ask the cluster itself, or a proxy without --namespace")

// own makes a call of our own services, which an etcd refuses as unknown.
func own[Answer any](ctx context.Context, cluster Cluster, n Namespace, method string, r proto.Message) (*Answer, error) {
	if n != "" {
		return nil, errNamespace
	}
	return call[Answer](ctx, cluster, method, r)
}

// Quotas is the service of quotas by prefix.
type Quotas struct {
	Cluster   Cluster
	Namespace Namespace
}

// QuotaSet sets the quota of a prefix.
func (s *Quotas) QuotaSet(ctx context.Context, r *quoratev1.QuotaSetRequest) (*quoratev1.QuotaSetResponse, error) {
	return own[quoratev1.QuotaSetResponse](ctx, s.Cluster, s.Namespace, quoratev1connect.QuotaServiceQuotaSetProcedure, r)
}

// QuotaDelete deletes the quota of a prefix.
func (s *Quotas) QuotaDelete(ctx context.Context, r *quoratev1.QuotaDeleteRequest) (*quoratev1.QuotaDeleteResponse, error) {
	return own[quoratev1.QuotaDeleteResponse](ctx, s.Cluster, s.Namespace, quoratev1connect.QuotaServiceQuotaDeleteProcedure, r)
}

// QuotaList shows all quotas.
func (s *Quotas) QuotaList(ctx context.Context, r *quoratev1.QuotaListRequest) (*quoratev1.QuotaListResponse, error) {
	return own[quoratev1.QuotaListResponse](ctx, s.Cluster, s.Namespace, quoratev1connect.QuotaServiceQuotaListProcedure, r)
}

// Inspect is the service that shows what a person looks for.
type Inspect struct {
	Cluster   Cluster
	Namespace Namespace
}

// Children lists what is directly below a prefix.
func (s *Inspect) Children(ctx context.Context, r *quoratev1.ChildrenRequest) (*quoratev1.ChildrenResponse, error) {
	return own[quoratev1.ChildrenResponse](ctx, s.Cluster, s.Namespace, quoratev1connect.InspectServiceChildrenProcedure, r)
}

// History lists the versions of a key.
func (s *Inspect) History(ctx context.Context, r *quoratev1.HistoryRequest) (*quoratev1.HistoryResponse, error) {
	return own[quoratev1.HistoryResponse](ctx, s.Cluster, s.Namespace, quoratev1connect.InspectServiceHistoryProcedure, r)
}

// Deleted lists what was deleted below a prefix.
func (s *Inspect) Deleted(ctx context.Context, r *quoratev1.DeletedRequest) (*quoratev1.DeletedResponse, error) {
	return own[quoratev1.DeletedResponse](ctx, s.Cluster, s.Namespace, quoratev1connect.InspectServiceDeletedProcedure, r)
}

// Changes lists what has changed below a prefix, by revision.
func (s *Inspect) Changes(ctx context.Context, r *quoratev1.ChangesRequest) (*quoratev1.ChangesResponse, error) {
	return own[quoratev1.ChangesResponse](ctx, s.Cluster, s.Namespace, quoratev1connect.InspectServiceChangesProcedure, r)
}
