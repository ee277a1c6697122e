package api

import (
	"context"
	"fmt"
	"math"
	"net"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/quoratedb/quorate/services/api/internal/calls"
)

// inside is a gRPC connection to our own server, in memory, for what arrives as something else than gRPC and leaves as
// such. Calls may be made between open and close.
type inside struct {
	calls    *calls.Calls
	listener *pipes
	conn     *grpc.ClientConn
}

var _ grpc.ClientConnInterface = (*inside)(nil)

func newInside(watched *calls.Calls) *inside { return &inside{calls: watched, listener: newPipes()} }

func (i *inside) open() (err error) {
	i.conn, err = grpc.NewClient("passthrough:///inside",
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return i.listener.dial(ctx) }),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(math.MaxInt32), grpc.MaxCallSendMsgSize(math.MaxInt32)),
	)
	if err != nil {
		return fmt.Errorf("connecting to our own gRPC server: %w", err)
	}
	return nil
}

func (i *inside) close() { _ = i.conn.Close() }

// Invoke implements grpc.ClientConnInterface.
func (i *inside) Invoke(ctx context.Context, method string, args, reply any, options ...grpc.CallOption) error {
	ctx, done := i.calls.Carry(ctx)
	defer done()
	return i.conn.Invoke(ctx, method, args, reply, options...)
}

// NewStream implements grpc.ClientConnInterface.
func (i *inside) NewStream(ctx context.Context, desc *grpc.StreamDesc, method string, options ...grpc.CallOption) (grpc.ClientStream, error) {
	return i.conn.NewStream(ctx, desc, method, options...)
}

// pipes is a listener whose connections lie within the process: one end is accepted, the other was dialled.
type pipes struct {
	dialled chan net.Conn
	closed  chan struct{}
	closing sync.Once
}

func newPipes() *pipes { return &pipes{dialled: make(chan net.Conn), closed: make(chan struct{})} }

func (p *pipes) dial(ctx context.Context) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case p.dialled <- theirs:
		return ours, nil
	case <-p.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// Accept implements net.Listener.
func (p *pipes) Accept() (net.Conn, error) {
	select {
	case conn := <-p.dialled:
		return conn, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (p *pipes) Close() error {
	p.closing.Do(func() { close(p.closed) })
	return nil
}

// Addr implements net.Listener.
func (p *pipes) Addr() net.Addr { return pipeAddress{} }

// pipeAddress is where both ends of a pipe are.
type pipeAddress struct{}

func (pipeAddress) Network() string { return calls.PipeNetwork }
func (pipeAddress) String() string  { return calls.PipeNetwork }
