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
	begun := c.BeginUnary(m)
	ctx, span := c.Follow(ctx, m)
	ctx, done := c.Wait(ctx, m)
	defer done()
	var response any
	ctx, entry, err := c.Admit(ctx, m, request)
	if err == nil {
		answered := ctx
		if m.reads {
			answer := c.answers.New(directCopies)
			defer answer.Release()
			answered = answer.With(ctx)
		}
		response, err = handle(answered, request)
	}
	if entry != nil {
		err = finish(entry, response, err)
	}
	c.EndUnary(m, begun, err)
	c.Ended(ctx, m, begun, request, response, err)
	EndSpan(span, err)
	return response, err
}
