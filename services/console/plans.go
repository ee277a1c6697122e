package console

import (
	"context"

	"google.golang.org/grpc"

	consolev1 "github.com/quoratedb/quorate/pkg/gen/quorate/console/v1"
)

// Preview tells what a plan would do.
func (c *Console) Preview(ctx context.Context, r *consolev1.PreviewRequest) (*consolev1.PreviewResponse, error) {
	return c.plans.Preview(ctx, r)
}

// Apply carries a part of a plan out.
func (c *Console) Apply(ctx context.Context, r *consolev1.ApplyRequest) (*consolev1.ApplyResponse, error) {
	return c.plans.Apply(ctx, r)
}

// Live tells of all that was subscribed to as it comes.
func (c *Console) Live(r *consolev1.LiveRequest, stream grpc.ServerStreamingServer[consolev1.LiveResponse]) error {
	return c.streams.Serve(stream.Context(), r, stream.Send)
}
