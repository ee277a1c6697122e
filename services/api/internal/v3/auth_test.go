package v3_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	v3 "github.com/quoratedb/quorate/services/api/internal/v3"
)

// A client that was given a name and a password goes on without them on this answer alone.
func TestAuthenticateSaysThatAuthIsOff(t *testing.T) {
	_, err := v3.AuthServer{}.Authenticate(t.Context(), &etcdserverpb.AuthenticateRequest{Name: "root", Password: "secret"})
	require.Equal(t, codes.FailedPrecondition, status.Code(err))
	require.Equal(t, "etcdserver: authentication is not enabled", status.Convert(err).Message())
}
