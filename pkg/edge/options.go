package edge

import (
	"buf.build/go/protovalidate"
	"connectrpc.com/connect"
	"connectrpc.com/validate"
	"google.golang.org/protobuf/proto"
)

// requestBytesMax is the largest message that a service takes from another. Clients' requests are bounded at a small
// part of it long before they get here; it keeps a broken peer from filling memory. Answers are not bounded: a range
// is as large as it is.
const requestBytesMax = 64 << 20

// HandlerOptions are the options of every internal service's handler. Messages that break the rules in proto/ are
// refused with connect.CodeInvalidArgument, and problem's sentinels are sent by name. Nothing is compressed: services
// are near each other, and CPU is what a hop costs.
func HandlerOptions() []connect.HandlerOption {
	return []connect.HandlerOption{
		connect.WithInterceptors(refusals{}, validate.NewInterceptor()),
		connect.WithReadMaxBytes(requestBytesMax),
		connect.WithCompression("gzip", nil, nil),
	}
}

// ClientOptions are the options of every internal service's client: errors of its calls are those that the service
// returned, as far as errors.Is goes. See HandlerOptions.
func ClientOptions() []connect.ClientOption {
	return []connect.ClientOption{
		connect.WithInterceptors(refusals{}),
		connect.WithAcceptCompression("gzip", nil, nil),
	}
}

// Check refuses a message that breaks the rules in proto/, as HandlerOptions have it done to those that travel alone.
func Check(message proto.Message) error {
	if err := protovalidate.GlobalValidator.Validate(message); err != nil {
		return connect.NewError(connect.CodeInvalidArgument, err)
	}
	return nil
}
