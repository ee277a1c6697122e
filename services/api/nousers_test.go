package api

import (
	"context"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/api/port"
)

// noUsers stands for a store without users and roles: authentication is not enabled, and cannot be.
type noUsers struct{}

var _ port.Auth = noUsers{}

// Authenticate refuses with the error that tells a client which was given a name and a password to go on without.
func (noUsers) Authenticate(context.Context, *consensusv1.AuthenticateRequest) (*consensusv1.AuthenticateResponse, error) {
	return nil, errdefs.ErrAuthNotEnabled
}

// Authorize allows everything.
func (noUsers) Authorize(context.Context, *consensusv1.AuthorizeRequest) (*consensusv1.AuthorizeResponse, error) {
	return &consensusv1.AuthorizeResponse{}, nil
}

// ReadAuth has nothing to read.
func (noUsers) ReadAuth(context.Context, *consensusv1.ReadAuthRequest) (*consensusv1.ReadAuthResponse, error) {
	return &consensusv1.ReadAuthResponse{}, nil
}

// FollowAuth has no change to tell.
func (noUsers) FollowAuth(ctx context.Context, _ *consensusv1.FollowAuthRequest, send func(*consensusv1.FollowAuthResponse) error) error {
	if err := send(&consensusv1.FollowAuthResponse{}); err != nil {
		return err
	}
	<-ctx.Done()
	return context.Cause(ctx)
}
