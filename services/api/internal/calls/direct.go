package calls

import (
	"context"

	"google.golang.org/grpc"
)

// directCopies of an answer are in memory: the message, and its copy.
const directCopies = 2

// Direct is the interceptor of unary calls that a service of this process makes for the caller of the request that ctx is of. What an answer
// holds is counted while it is read; whoever has called keeps it for a moment only.
func (c *Calls) Direct(ctx context.Context, request any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
	m := c.Method(info.FullMethod)
	return c.unaryCall(ctx, m, request, func(ctx context.Context) (any, error) {
		if m.reads {
			answer := c.answers.New(directCopies)
			defer answer.Release()
			ctx = answer.With(ctx)
		}
		return handle(ctx, request)
	})
}
