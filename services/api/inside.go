package api

import (
	"context"
	"fmt"
	"math"
	"net"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"
)

// insideBufferBytes is how much may be under way in each direction of the connection to ourselves.
const insideBufferBytes = 256 << 10

// inside is a gRPC connection to our own server, in memory, for what arrives as something else than gRPC and leaves as
// such. Calls may be made between open and close.
type inside struct {
	listener *bufconn.Listener
	conn     *grpc.ClientConn
}

var _ grpc.ClientConnInterface = (*inside)(nil)

func newInside() *inside { return &inside{listener: bufconn.Listen(insideBufferBytes)} }

func (i *inside) open() (err error) {
	i.conn, err = grpc.NewClient("passthrough:///inside",
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return i.listener.DialContext(ctx) }),
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
	return i.conn.Invoke(ctx, method, args, reply, options...)
}

// NewStream implements grpc.ClientConnInterface.
func (i *inside) NewStream(ctx context.Context, desc *grpc.StreamDesc, method string, options ...grpc.CallOption) (grpc.ClientStream, error) {
	return i.conn.NewStream(ctx, desc, method, options...)
}
