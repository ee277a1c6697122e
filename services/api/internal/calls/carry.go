package calls

import (
	"context"

	"google.golang.org/grpc/metadata"

	"github.com/quoratedb/quorate/pkg/budget"
)

// Carry returns a context with which a call to our own gRPC server counts for the answer to the HTTP request that ctx is of. done
// must be called when the call has ended.
func (c *Calls) Carry(ctx context.Context) (carrying context.Context, done func()) {
	answer, ok := ctx.Value(requestKey{}).(*budget.Answer)
	if !ok {
		return ctx, func() {}
	}
	name := c.carried.add(answer)
	return metadata.AppendToOutgoingContext(ctx, carriedKey, name), func() { c.carried.remove(name) }
}
