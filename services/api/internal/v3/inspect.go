package v3

import (
	"bytes"
	"context"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	quoratev1 "github.com/quoratedb/quorate/pkg/gen/quorate/v1"
	"github.com/quoratedb/quorate/services/api/internal/auth"
	"github.com/quoratedb/quorate/services/api/port"
)

// delimiterBytesMax bounds the delimiter of a list of children.
const delimiterBytesMax = 64

var errNoInspector = status.Error(codes.Unimplemented, "quorate: the store behind this server shows no children, history, deletions or changes")

// InspectServer shows what is below a prefix, what a key was, what was deleted and what has changed, which etcd does not. The store checks that its caller may
// read all of it.
type InspectServer struct {
	*backend
	// inspector is nil where there is none.
	inspector port.Inspector
}

// Children lists what is directly below a prefix.
func (s *InspectServer) Children(ctx context.Context, r *quoratev1.ChildrenRequest) (*quoratev1.ChildrenResponse, error) {
	switch {
	case len(r.GetDelimiter()) > delimiterBytesMax:
		return nil, status.Errorf(codes.InvalidArgument, "quorate: the delimiter has %d bytes, it may have %d", len(r.GetDelimiter()), delimiterBytesMax)
	case len(r.GetAfter()) > 0 && !bytes.HasPrefix(r.GetAfter(), r.GetPrefix()):
		return nil, status.Errorf(codes.InvalidArgument, "quorate: after, %q, does not begin with the prefix, %q", r.GetAfter(), r.GetPrefix())
	case r.GetLimit() < 0 || r.GetRevision() < 0:
		return nil, status.Error(codes.InvalidArgument, "quorate: limit and revision are not below 0")
	}
	found, err := s.inspect(ctx, &consensusv1.InspectRequest{Request: &consensusv1.InspectRequest_Children{Children: r}, Serializable: r.GetSerializable()})
	return found.GetChildren(), err
}

// History lists the versions of a key.
func (s *InspectServer) History(ctx context.Context, r *quoratev1.HistoryRequest) (*quoratev1.HistoryResponse, error) {
	switch {
	case len(r.GetKey()) == 0:
		return nil, status.Error(codes.InvalidArgument, "quorate: the key whose history is asked for is empty")
	case r.GetLimit() < 0 || r.GetBefore() < 0:
		return nil, status.Error(codes.InvalidArgument, "quorate: limit and before are not below 0")
	}
	found, err := s.inspect(ctx, &consensusv1.InspectRequest{Request: &consensusv1.InspectRequest_History{History: r}, Serializable: r.GetSerializable()})
	return found.GetHistory(), err
}

// Deleted lists what was deleted below a prefix.
func (s *InspectServer) Deleted(ctx context.Context, r *quoratev1.DeletedRequest) (*quoratev1.DeletedResponse, error) {
	if min(r.GetLimit(), r.GetSinceRevision(), r.GetBeforeRevision(), r.GetBeforeSub()) < 0 {
		return nil, status.Error(codes.InvalidArgument, "quorate: limit, since_revision, before_revision and before_sub are not below 0")
	}
	found, err := s.inspect(ctx, &consensusv1.InspectRequest{Request: &consensusv1.InspectRequest_Deleted{Deleted: r}, Serializable: r.GetSerializable()})
	return found.GetDeleted(), err
}

// Changes lists what has changed below a prefix, by revision.
func (s *InspectServer) Changes(ctx context.Context, r *quoratev1.ChangesRequest) (*quoratev1.ChangesResponse, error) {
	if min(r.GetLimit(), r.GetBeforeRevision(), r.GetBeforeSub()) < 0 {
		return nil, status.Error(codes.InvalidArgument, "quorate: limit, before_revision and before_sub are not below 0")
	}
	found, err := s.inspect(ctx, &consensusv1.InspectRequest{Request: &consensusv1.InspectRequest_Changes{Changes: r}, Serializable: r.GetSerializable()})
	return found.GetChanges(), err
}

// inspect asks the store, for the caller of ctx. The error is ready for the client.
func (s *InspectServer) inspect(ctx context.Context, request *consensusv1.InspectRequest) (*consensusv1.InspectResponse, error) {
	if s.inspector == nil {
		return nil, errNoInspector
	}
	bounded, cancel := s.bound(ctx)
	defer cancel()
	request.Caller = auth.Caller(ctx)
	found, err := s.inspector.Inspect(bounded, request)
	if err != nil {
		return nil, s.failure(bounded, err)
	}
	return found, nil
}

// inspectService is the service's full name.
var inspectService = string(quoratev1.File_quorate_v1_inspect_proto.Services().ByName("InspectService").FullName())

// RegisterInspect adds the service to a gRPC server.
func RegisterInspect(server grpc.ServiceRegistrar, inspect InspectService) {
	server.RegisterService(&grpc.ServiceDesc{
		ServiceName: inspectService,
		HandlerType: (*InspectService)(nil),
		Methods: []grpc.MethodDesc{
			unaryMethod(inspectService, "Children", InspectService.Children),
			unaryMethod(inspectService, "History", InspectService.History),
			unaryMethod(inspectService, "Deleted", InspectService.Deleted),
			unaryMethod(inspectService, "Changes", InspectService.Changes),
		},
		Metadata: quoratev1.File_quorate_v1_inspect_proto.Path(),
	}, inspect)
}

// InspectService is what RegisterInspect serves.
type InspectService interface {
	Children(context.Context, *quoratev1.ChildrenRequest) (*quoratev1.ChildrenResponse, error)
	History(context.Context, *quoratev1.HistoryRequest) (*quoratev1.HistoryResponse, error)
	Deleted(context.Context, *quoratev1.DeletedRequest) (*quoratev1.DeletedResponse, error)
	Changes(context.Context, *quoratev1.ChangesRequest) (*quoratev1.ChangesResponse, error)
}
