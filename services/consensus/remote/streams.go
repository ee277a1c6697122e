package remote

import (
	"context"
	"errors"
	"fmt"

	"connectrpc.com/connect"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/pkg/rpc/balancer"
	"github.com/quoratedb/quorate/services/consensus/rpc"
)

// RangeStream is Range in chunks, all from one revision. Until the first chunk came it is repeated like any read.
func (c *Client) RangeStream(ctx context.Context, req *consensusv1.RangeStreamRequest, send func(*consensusv1.RangeStreamResponse) error) error {
	if req.GetSerializable() {
		req = &consensusv1.RangeStreamRequest{Range: req.GetRange(), Serializable: true, SeenRevision: c.store.newest(), Caller: req.GetCaller()}
	}
	return stream(ctx, c, c.turns.reading(req.GetSerializable()).Picker, req, rpc.NewClient, rpc.Service.RangeStream, send)
}

// Snapshot streams the leader's whole state as a file. Until the first part came it is repeated like any read.
func (c *Client) Snapshot(ctx context.Context, req *consensusv1.SnapshotRequest, send func(*consensusv1.SnapshotResponse) error) error {
	return stream(ctx, c, atLeader{}, req, rpc.NewClient, rpc.Service.Snapshot, send)
}

// Tail sends commits from one member that sees a leader, the members taking turns. It fails when that member does: the
// next call goes on at another one.
func (c *Client) Tail(ctx context.Context, req *consensusv1.TailRequest, send func(*consensusv1.TailResponse) error) error {
	return stream(ctx, c, c.turns.read().Picker, req, rpc.NewClient, rpc.Service.Tail, send)
}

// stream makes a streaming call on a stream of its own, beside the batches, so that neither waits for the other.
func stream[Service, Req, Resp any](
	ctx context.Context, c *Client, rule balancer.Picker[*consensusv1.Standing], req Req,
	client func(connect.HTTPClient, string) Service, method func(Service, context.Context, Req, func(Resp) error) error, send func(Resp) error,
) error {
	patience, cancel := context.WithTimeoutCause(ctx, c.timeout, errdefs.ErrTimeout) // to wait for a member with
	defer cancel()
	for {
		view := c.balancer.View()
		member := rule.Pick(view.Backends)
		err := errNoMember
		if member != nil {
			began := false
			err = method(client(member.Node.Client, member.Node.URL), ctx, req, func(part Resp) error {
				began = true
				return send(part)
			})
			if err == nil || ctx.Err() != nil || began || !unreached(err) {
				return err
			}
		}
		select {
		case <-view.Changed:
		case <-patience.Done():
			return fmt.Errorf("%w: %w", err, context.Cause(patience))
		}
	}
}

var errNoMember = errors.New("no member of the store that would do can be reached")

// unreached tells that the member is not there (any more), which soon shows in the view.
func unreached(err error) bool {
	return errors.Is(err, errdefs.ErrStopped) || connect.CodeOf(err) == connect.CodeUnavailable && errors.Is(err, errdefs.ErrLeaderChanged)
}
