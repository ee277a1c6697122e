package direct

import (
	"context"
	"fmt"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/quoratedb/quorate/services/api/internal/calls"
)

// Conn makes calls. Services are registered before the first; then it may be used concurrently.
type Conn struct {
	calls   *calls.Calls
	methods map[string]method
}

// method is one method of a registered service; one of unary and stream is set.
type method struct {
	server any
	unary  *grpc.MethodDesc
	stream *grpc.StreamDesc
}

var (
	_ grpc.ClientConnInterface = (*Conn)(nil)
	_ grpc.ServiceRegistrar    = (*Conn)(nil)
)

// New returns a connection without services.
func New(watched *calls.Calls) *Conn { return &Conn{calls: watched, methods: map[string]method{}} }

// RegisterService implements grpc.ServiceRegistrar.
func (c *Conn) RegisterService(desc *grpc.ServiceDesc, server any) {
	for i := range desc.Methods {
		c.methods["/"+desc.ServiceName+"/"+desc.Methods[i].MethodName] = method{server: server, unary: &desc.Methods[i]}
	}
	for i := range desc.Streams {
		c.methods["/"+desc.ServiceName+"/"+desc.Streams[i].StreamName] = method{server: server, stream: &desc.Streams[i]}
	}
}

// Invoke implements grpc.ClientConnInterface. ctx must be of a request that came in.
func (c *Conn) Invoke(ctx context.Context, name string, request, response any, _ ...grpc.CallOption) error {
	m := c.methods[name]
	if m.unary == nil {
		return status.Errorf(codes.Unimplemented, "there is no unary method %s", name)
	}
	asked, askedOK := request.(proto.Message)
	into, intoOK := response.(proto.Message)
	if !askedOK || !intoOK {
		return status.Errorf(codes.Internal, "%s was called with a %T and a %T", name, request, response)
	}
	// Handlers may complete a request, and answers are immutable: both are copied.
	answer, err := m.unary.Handler(m.server, ctx, func(to any) error { return copyTo(to, asked) }, c.calls.Direct)
	if err != nil {
		return err
	}
	return copyTo(into, answer)
}

func copyTo(to, from any) error {
	source, sourceOK := from.(proto.Message)
	target, targetOK := to.(proto.Message)
	if !sourceOK || !targetOK || source.ProtoReflect().Descriptor() != target.ProtoReflect().Descriptor() {
		return status.Error(codes.Internal, fmt.Sprintf("a %T was expected and is a %T", to, from))
	}
	proto.Merge(target, source)
	return nil
}

// NewStream implements grpc.ClientConnInterface. Whoever opens a stream must end its context, and then receive until that fails: nothing of
// the stream runs any more then.
func (c *Conn) NewStream(ctx context.Context, _ *grpc.StreamDesc, name string, _ ...grpc.CallOption) (grpc.ClientStream, error) {
	m := c.methods[name]
	if m.stream == nil {
		return nil, status.Errorf(codes.Unimplemented, "there is no stream %s", name)
	}
	s := newStream(ctx)
	go func() {
		err := c.calls.RunStream(c.calls.Method(name), server{s}, func(counted grpc.ServerStream) error { return m.stream.Handler(m.server, counted) })
		s.end(err)
	}()
	return s, nil
}
