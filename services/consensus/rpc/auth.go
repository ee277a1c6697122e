package rpc

import (
	"context"
	"net/http"

	"connectrpc.com/connect"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1/consensusv1connect"
	"github.com/quoratedb/quorate/pkg/rpc/interceptor"
)

// Auth is a member's side of authentication and authorization as its users see it: *consensus.Member has these methods.
type Auth interface {
	Authenticate(context.Context, *consensusv1.AuthenticateRequest) (*consensusv1.AuthenticateResponse, error)
	Authorize(context.Context, *consensusv1.AuthorizeRequest) (*consensusv1.AuthorizeResponse, error)
	ReadAuth(context.Context, *consensusv1.ReadAuthRequest) (*consensusv1.ReadAuthResponse, error)
	FollowAuth(context.Context, *consensusv1.FollowAuthRequest, func(*consensusv1.FollowAuthResponse) error) error
}

// NewAuthHandler makes the handler, whose messages keep the rules, and names the path below which it belongs.
func NewAuthHandler(a Auth, rules interceptor.Rules) (path string, handler http.Handler) {
	path, handler = consensusv1connect.NewAuthServiceHandler(authServer{a}, interceptor.HandlerOptions(rules)...)
	return path, interceptor.Interruptible(handler)
}

type authServer struct{ Auth }

func (s authServer) FollowAuth(
	ctx context.Context, req *consensusv1.FollowAuthRequest, out *connect.ServerStream[consensusv1.FollowAuthResponse],
) error {
	return s.Auth.FollowAuth(ctx, req, out.Send)
}

// NewAuthClient makes a client of the consensus member at a URL. It dials nothing.
func NewAuthClient(c connect.HTTPClient, url string) Auth {
	return authClient{consensusv1connect.NewAuthServiceClient(c, url, interceptor.ClientOptions()...)}
}

type authClient struct {
	consensusv1connect.AuthServiceClient
}

func (c authClient) FollowAuth(
	ctx context.Context, req *consensusv1.FollowAuthRequest, send func(*consensusv1.FollowAuthResponse) error,
) error {
	return drain(ctx, req, c.AuthServiceClient.FollowAuth, send)
}
