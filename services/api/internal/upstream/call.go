package upstream

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
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
		if !lost(err) {
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
		if err == nil || !lost(err) {
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

// StreamError is the error of a stream for the client. One whose member was lost ends as if the server stopped: clients go on elsewhere, or
// come again.
func StreamError(err error) error {
	switch {
	case err == nil, errors.Is(err, io.EOF):
		return nil
	case Lost(err):
		return rpctypes.ErrGRPCStopped
	}
	return err
}

// Lost tells whether an error is about the connection to a member, and not the member's answer.
func Lost(err error) bool { return lost(err) }

// ours are the beginnings of what servers say themselves when they are not available.
var ours = []string{"etcdserver: ", "etcdclient: ", "lease: ", "auth: ", "quorate: "}

// closing is what gRPC says of a connection that we have closed, because its member is none any more.
const closing = "grpc: the client connection is closing"

// lost tells a connection's end from a refusal. gRPC has the same code for both; whatever a member says begins with a name.
func lost(err error) bool {
	s, ok := status.FromError(err)
	if ok && s.Code() == codes.Canceled && s.Message() == closing {
		return true
	}
	if !ok || s.Code() != codes.Unavailable {
		return false
	}
	for _, beginning := range ours {
		if strings.HasPrefix(s.Message(), beginning) {
			return false
		}
	}
	return true
}

// neverSent tells that a request did not leave, because there was no connection.
func neverSent(err error) bool {
	return strings.Contains(status.Convert(err).Message(), "while dialing")
}

// leaderless are refusals of a member that may be cut off from the others.
var leaderless = []error{
	rpctypes.ErrGRPCNoLeader, rpctypes.ErrGRPCTimeout, rpctypes.ErrGRPCTimeoutDueToLeaderFail, rpctypes.ErrGRPCTimeoutDueToConnectionLost, rpctypes.ErrGRPCStopped,
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

func isLeaderless(err error) bool {
	text := status.Convert(err).Message()
	return slices.ContainsFunc(leaderless, func(refusal error) bool { return text == status.Convert(refusal).Message() })
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

// ended is the error of a request whose client does not wait any longer.
func ended(ctx context.Context) error { return status.FromContextError(ctx.Err()).Err() }
