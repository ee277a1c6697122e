package remote

import (
	"context"
	"sync"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/pkg/rpc/resolver"
	"github.com/quoratedb/quorate/services/consensus/rpc"
)

// Authenticate checks a name and password.
func (c *Client) Authenticate(ctx context.Context, req *consensusv1.AuthenticateRequest) (*consensusv1.AuthenticateResponse, error) {
	return call[consensusv1.AuthenticateResponse](ctx, c, c.turns.read(), "Authenticate", req)
}

// Authorize tells whether a caller may do what is not checked where it is done.
func (c *Client) Authorize(ctx context.Context, req *consensusv1.AuthorizeRequest) (*consensusv1.AuthorizeResponse, error) {
	return call[consensusv1.AuthorizeResponse](ctx, c, look, "Authorize", req)
}

// ReadAuth reads users and roles.
func (c *Client) ReadAuth(ctx context.Context, req *consensusv1.ReadAuthRequest) (*consensusv1.ReadAuthResponse, error) {
	return call[consensusv1.ReadAuthResponse](ctx, c, c.turns.read(), "ReadAuth", req)
}

// FollowAuth tells how authentication stands at the leader, or at another member while that cannot be reached. It fails when that
// member does, and with errdefs.ErrLeaderChanged once there is a better one: one that is cut off from the others would tell of no
// change any more. The next call goes on at the better one.
func (c *Client) FollowAuth(ctx context.Context, req *consensusv1.FollowAuthRequest, send func(*consensusv1.FollowAuthResponse) error) error {
	following, end := context.WithCancelCause(ctx)
	rule := telling{picked: make(chan *resolver.Node), ended: following.Done()}
	var looking sync.WaitGroup
	looking.Go(func() {
		var followed *resolver.Node
		for {
			view := c.balancer.View()
			if followed != nil && outdone(view.Backends, followed) {
				end(errdefs.ErrLeaderChanged)
				return
			}
			select {
			case <-following.Done():
				return
			case followed = <-rule.picked:
			case <-view.Changed:
			}
		}
	})
	err := stream(following, c, rule, req, rpc.NewAuthClient, rpc.Auth.FollowAuth, send)
	if following.Err() != nil && ctx.Err() == nil {
		err = context.Cause(following)
	}
	end(nil)
	looking.Wait()
	return err
}

// telling chooses as atLeader does and tells whom.
type telling struct {
	atLeader
	picked chan *resolver.Node
	ended  <-chan struct{}
}

func (r telling) Pick(members []*member) *member {
	m := r.atLeader.Pick(members)
	if m != nil {
		select {
		case r.picked <- m.Node:
		case <-r.ended:
		}
	}
	return m
}
