package calls

import (
	"context"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	otelcodes "go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/quoratedb/quorate/pkg/phases"
	"github.com/quoratedb/quorate/pkg/tracing"
)

// Follow has what a unary call does be told of: in its span, where spans are recorded, and in the line and the note of a slow write. End the span, which is nil where
// there is none, with EndSpan.
func (c *Calls) Follow(ctx context.Context, m *Method) (context.Context, trace.Span) {
	if (c.slow != nil || c.noter != nil) && m.writes {
		ctx = phases.With(ctx)
	}
	return serve(ctx, m)
}

// serve begins the span of a call, by the names of OpenTelemetry's conventions.
func serve(ctx context.Context, m *Method) (context.Context, trace.Span) {
	if !tracing.On() || m == unknown {
		return ctx, nil
	}
	name := strings.TrimPrefix(m.full, "/")
	service, method, _ := strings.Cut(name, "/")
	headers := func(name string) string {
		if values := metadata.ValueFromIncomingContext(ctx, name); len(values) > 0 {
			return values[0]
		}
		return ""
	}
	return tracing.Serve(ctx, name, headers, attribute.String("rpc.system", "grpc"), attribute.String("rpc.service", service), attribute.String("rpc.method", method))
}

// EndSpan ends the span of a call, as OpenTelemetry's conventions have it: what the client did wrong is no error of the server's.
func EndSpan(span trace.Span, err error) {
	if span == nil {
		return
	}
	code := status.Code(err)
	span.SetAttributes(attribute.Int("rpc.grpc.status_code", int(code)))
	switch code {
	case codes.Unknown, codes.DeadlineExceeded, codes.Unimplemented, codes.Internal, codes.Unavailable, codes.DataLoss:
		span.SetStatus(otelcodes.Error, status.Convert(err).Message())
	}
	span.End()
}
