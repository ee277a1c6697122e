package remote

import (
	"context"
	"sync"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/consensus/rpc"
)

// Authenticate checks a name and password.
func (c *Client) Authenticate(ctx context.Context, req *consensusv1.AuthenticateRequest) (*consensusv1.AuthenticateResponse, error) {
	return call[consensusv1.AuthenticateResponse](ctx, c, c.read(), "Authenticate", req)
}

// Authorize tells whether a caller may do what is not checked where it is done.
func (c *Client) Authorize(ctx context.Context, req *consensusv1.AuthorizeRequest) (*consensusv1.AuthorizeResponse, error) {
	return call[consensusv1.AuthorizeResponse](ctx, c, look, "Authorize", req)
}

// ReadAuth reads users and roles.
func (c *Client) ReadAuth(ctx context.Context, req *consensusv1.ReadAuthRequest) (*consensusv1.ReadAuthResponse, error) {
	return call[consensusv1.ReadAuthResponse](ctx, c, c.read(), "ReadAuth", req)
}

// FollowAuth tells how authentication stands at the leader, or at another member while there is none. It fails when that member
// does, and with errdefs.ErrLeaderChanged once another one leads: one that is cut off from the others would tell of no change any more. The
// next call goes on at the new leader.
func (c *Client) FollowAuth(ctx context.Context, req *consensusv1.FollowAuthRequest, send func(*consensusv1.FollowAuthResponse) error) error {
	following, end := context.WithCancelCause(ctx)
	leader, _, changed := c.Leader()
	var looking sync.WaitGroup
	looking.Go(func() {
		for {
			select {
			case <-following.Done():
				return
			case <-changed:
			}
			var now uint64
			if now, _, changed = c.Leader(); now != 0 && now != leader {
				end(errdefs.ErrLeaderChanged)
				return
			}
		}
	})
	err := stream(following, c, atLeader{}, req, rpc.NewAuthClient, rpc.Auth.FollowAuth, send)
	if following.Err() != nil && ctx.Err() == nil {
		err = context.Cause(following)
	}
	end(nil)
	looking.Wait()
	return err
}
