package v3_test

import (
	"context"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// fakeAuth answers with its fields; without them authentication is not enabled.
type fakeAuth struct {
	authenticate func(*consensusv1.AuthenticateRequest) (*consensusv1.AuthenticateResponse, error)
	authorize    func(*consensusv1.AuthorizeRequest) (*consensusv1.AuthorizeResponse, error)
	readAuth     func(*consensusv1.ReadAuthRequest) (*consensusv1.ReadAuthResponse, error)
	followAuth   func(context.Context, func(*consensusv1.FollowAuthResponse) error) error
}

func (f *fakeAuth) Authenticate(_ context.Context, r *consensusv1.AuthenticateRequest) (*consensusv1.AuthenticateResponse, error) {
	if f.authenticate == nil {
		return nil, errdefs.ErrAuthNotEnabled
	}
	return f.authenticate(r)
}

func (f *fakeAuth) Authorize(_ context.Context, r *consensusv1.AuthorizeRequest) (*consensusv1.AuthorizeResponse, error) {
	if f.authorize == nil {
		return &consensusv1.AuthorizeResponse{}, nil
	}
	return f.authorize(r)
}

func (f *fakeAuth) ReadAuth(_ context.Context, r *consensusv1.ReadAuthRequest) (*consensusv1.ReadAuthResponse, error) {
	return f.readAuth(r)
}

func (f *fakeAuth) FollowAuth(ctx context.Context, _ *consensusv1.FollowAuthRequest, send func(*consensusv1.FollowAuthResponse) error) error {
	if f.followAuth == nil {
		<-ctx.Done()
		return ctx.Err()
	}
	return f.followAuth(ctx, send)
}
