package v3

import (
	"context"

	"google.golang.org/grpc"
)

// unaryMethod describes a method of a service of ours to grpc-go, whose generator would be one more tool, for six methods.
func unaryMethod[Service, Req, Resp any](
	service, name string, method func(Service, context.Context, *Req) (*Resp, error),
) grpc.MethodDesc {
	fullName := "/" + service + "/" + name
	return grpc.MethodDesc{MethodName: name, Handler: func(server any, ctx context.Context, decode func(any) error, intercept grpc.UnaryServerInterceptor) (any, error) {
		request := new(Req)
		if err := decode(request); err != nil {
			return nil, err
		}
		handle := func(ctx context.Context, request any) (any, error) {
			return method(server.(Service), ctx, request.(*Req))
		}
		if intercept == nil {
			return handle(ctx, request)
		}
		return intercept(ctx, request, &grpc.UnaryServerInfo{Server: server, FullMethod: fullName}, handle)
	}}
}
