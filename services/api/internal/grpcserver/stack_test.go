package grpcserver

import (
	"context"
	"errors"
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"

	"github.com/quoratedb/quorate/services/api/internal/calls"
)

// Goal: the stack grows in front of a service's handlers, and the description that others register too stays as it is. Method: a service with one call is
// registered; what grpc-go would call is asked, and the description.
func TestHandlersAreCalledOnAGrownStack(t *testing.T) {
	refused := errors.New("refused")
	handle := func(server any, _ context.Context, _ func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
		return server, refused
	}
	desc := &grpc.ServiceDesc{ServiceName: "test.Service", HandlerType: (*any)(nil), Methods: []grpc.MethodDesc{{MethodName: "Call", Handler: handle}}}
	answer, err := grown(desc).Methods[0].Handler("server", t.Context(), nil, nil)
	require.Equal(t, "server", answer)
	require.ErrorIs(t, err, refused)

	s := New(Config{}, calls.New(nil, nil, nil, nil, nil, nil))
	defer s.Stop()
	s.RegisterService(desc, "server")
	require.Equal(t, reflect.ValueOf(handle).Pointer(), reflect.ValueOf(desc.Methods[0].Handler).Pointer())
	require.Equal(t, "Call", s.GetServiceInfo()["test.Service"].Methods[0].Name)
}
