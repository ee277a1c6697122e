package grpcserver

import (
	"context"
	"slices"

	"google.golang.org/grpc"
)

// stackBytes has a goroutine's stack of 2 or 4 KiB, as it begins with, become one of 8: nearly all calls need more than 4.
const stackBytes = 4 << 10

// RegisterService registers a service whose unary calls take the stack that they need when they begin. A call beyond streamWorkers has a new
// goroutine, whose stack would grow once grpc-go waits for the request: twice as many calls deep, each of which must be found in the program's
// tables and rewritten for the stack's new place.
func (s *Server) RegisterService(desc *grpc.ServiceDesc, server any) {
	s.Server.RegisterService(grown(desc), server)
}

// grown is a service like desc, on a grown stack.
func grown(desc *grpc.ServiceDesc) *grpc.ServiceDesc {
	service := *desc
	service.Methods = slices.Clone(desc.Methods)
	for i := range service.Methods {
		handle := service.Methods[i].Handler
		service.Methods[i].Handler = func(server any, ctx context.Context, decode func(any) error, interceptor grpc.UnaryServerInterceptor) (any, error) {
			growStack(false)
			return handle(server, ctx, decode, interceptor)
		}
	}
	return &service
}

// growStack has room for stackBytes on the stack while it runs, and so from then on. It must not use them, which costs as much as clearing them.
//
//go:noinline
func growStack(use bool) {
	if use {
		var room [stackBytes]byte
		touch(&room)
	}
}

//go:noinline
func touch(room *[stackBytes]byte) { room[0] = 1 }
