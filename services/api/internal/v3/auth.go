package v3

import (
	"context"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
)

// AuthServer is etcd's Auth service while there are no users and roles.
type AuthServer struct {
	etcdserverpb.UnimplementedAuthServer
}

// Authenticate refuses with the error that tells a client which was given a name and a password to go on without.
func (AuthServer) Authenticate(context.Context, *etcdserverpb.AuthenticateRequest) (*etcdserverpb.AuthenticateResponse, error) {
	return nil, rpctypes.ErrGRPCAuthNotEnabled
}
