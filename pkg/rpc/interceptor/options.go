package interceptor

import (
	"context"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"
)

// requestBytesMax is the largest message that a service takes from another. Clients' requests are bounded at a small
// part of it long before they get here; it keeps a broken peer from filling memory. Answers are not bounded: a range
// is as large as it is.
const requestBytesMax = 64 << 20

// Rules refuses a message with a *connect.Error. rules.Check is that of the rules in proto/, for what other programs send.
// Nil refuses nothing: what members of one version send each other was made by this program, from what its API has checked.
type Rules func(proto.Message) error

// HandlerOptions are the options of every internal service's handler. Messages that break the rules are refused, and the
// sentinels of errdefs are sent by name. Nothing is compressed: services are near each other, and CPU is what a hop costs.
func HandlerOptions(rules Rules) []connect.HandlerOption {
	interceptors := []connect.Interceptor{translated{}}
	if rules != nil {
		interceptors = append(interceptors, checked{rules})
	}
	return []connect.HandlerOption{
		connect.WithInterceptors(interceptors...),
		connect.WithReadMaxBytes(requestBytesMax),
		connect.WithCompression("gzip", nil, nil),
	}
}

// ClientOptions are the options of every internal service's client: errors of its calls are those that the service
// returned, as far as errors.Is goes. See HandlerOptions.
func ClientOptions() []connect.ClientOption {
	return []connect.ClientOption{
		connect.WithInterceptors(translated{}),
		connect.WithAcceptCompression("gzip", nil, nil),
	}
}

// checked is the interceptor of a handler whose messages keep rules.
type checked struct{ rules Rules }

// WrapUnary is for connect.Interceptor.
func (c checked) WrapUnary(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, req connect.AnyRequest) (connect.AnyResponse, error) {
		if err := c.check(req.Any()); err != nil {
			return nil, err
		}
		return next(ctx, req)
	}
}

// WrapStreamingHandler is for connect.Interceptor.
func (c checked) WrapStreamingHandler(next connect.StreamingHandlerFunc) connect.StreamingHandlerFunc {
	return func(ctx context.Context, conn connect.StreamingHandlerConn) error {
		return next(ctx, checkedConn{conn, c})
	}
}

// WrapStreamingClient is for connect.Interceptor.
func (checked) WrapStreamingClient(next connect.StreamingClientFunc) connect.StreamingClientFunc {
	return next
}

func (c checked) check(message any) error {
	if message, ok := message.(proto.Message); ok {
		return c.rules(message)
	}
	return nil
}

// checkedConn checks what a stream receives.
type checkedConn struct {
	connect.StreamingHandlerConn
	checked checked
}

func (c checkedConn) Receive(message any) error {
	if err := c.StreamingHandlerConn.Receive(message); err != nil {
		return err
	}
	return c.checked.check(message)
}
