package upstream

import (
	"context"
	"errors"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

const (
	// answerGrace is how much longer than RequestTimeout a member may take to answer: its own refusal says more than ours.
	answerGrace = time.Second
	// readMax is how long a read may take: its answer may be large.
	readMax = time.Minute
	// askAgainPause is how long to wait until a request is repeated.
	askAgainPause = 20 * time.Millisecond
)

var _ grpc.ClientConnInterface = (*Cluster)(nil)

// Invoke implements grpc.ClientConnInterface. Errors are ready for the client: those of the member as they came, and etcd's own where the
// member was lost. What may be repeated is, at the next member, within its time.
func (c *Cluster) Invoke(ctx context.Context, method string, args, reply any, options ...grpc.CallOption) error {
	bounded, cancel := c.bound(ctx, method)
	defer cancel()
	for {
		m, err := c.pick(bounded)
		if err != nil {
			return c.inTime(ctx, bounded, err)
		}
		err = m.conn.Invoke(bounded, method, args, reply, options...)
		if err == nil {
			m.failures.Store(0)
			return nil
		}
		if !Lost(err) {
			c.consider(m, err)
			return c.inTime(ctx, bounded, err)
		}
		c.leave(m)
		if !neverSent(err) && !repeatable(method, args) {
			return rpctypes.ErrGRPCTimeoutDueToConnectionLost
		}
		select {
		case <-time.After(askAgainPause):
		case <-bounded.Done():
			return c.inTime(ctx, bounded, rpctypes.ErrGRPCTimeoutDueToConnectionLost)
		}
	}
}

// NewStream implements grpc.ClientConnInterface: the stream ends with its member. Streams' errors go through StreamError.
func (c *Cluster) NewStream(ctx context.Context, desc *grpc.StreamDesc, method string, options ...grpc.CallOption) (grpc.ClientStream, error) {
	for {
		m, err := c.pick(ctx)
		if err != nil {
			return nil, err
		}
		stream, err := m.conn.NewStream(ctx, desc, method, options...)
		if err == nil || !Lost(err) {
			return stream, err
		}
		c.leave(m)
		select {
		case <-time.After(askAgainPause):
		case <-ctx.Done():
			return nil, ended(ctx)
		}
	}
}

// consider leaves a member that has refused several requests for want of a leader, or has not answered them: it may be stopped, or behind a
// network that is cut, and its connection stand all the same.
func (c *Cluster) consider(m *member, err error) {
	switch code := status.Code(err); {
	case code == codes.Canceled:
	case code == codes.DeadlineExceeded || isLeaderless(err):
		if m.failures.Add(1) >= failuresMax {
			c.leave(m)
		}
	default:
		m.failures.Store(0)
	}
}

// bound gives a request of a client that set no time one of ours. Those that wait for other clients have none.
func (c *Cluster) bound(ctx context.Context, method string) (context.Context, context.CancelFunc) {
	most := c.config.RequestTimeout + answerGrace
	switch {
	case unbounded[method]:
		return ctx, func() {}
	case reading[method]:
		most = readMax
	}
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= most {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, most)
}

// inTime is etcd's word for the end of our own time, and err otherwise.
func (*Cluster) inTime(ctx, bounded context.Context, err error) error {
	if ctx.Err() == nil && errors.Is(bounded.Err(), context.DeadlineExceeded) && (status.Code(err) == codes.DeadlineExceeded || status.Code(err) == codes.Canceled) {
		return rpctypes.ErrGRPCTimeout
	}
	return err
}
