package calls

import (
	"context"
	"log/slog"
	"time"

	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"github.com/quoratedb/quorate/pkg/phases"
	"github.com/quoratedb/quorate/pkg/tracing"
	"github.com/quoratedb/quorate/services/api/internal/wire"
)

// Slow says which unary calls are logged: those that take longer than After. Logger is required.
type Slow struct {
	After  time.Duration
	Logger *slog.Logger
}

// WatchSlow has slow calls logged. Call it before Register.
func (c *Calls) WatchSlow(slow Slow) {
	if slow.After > 0 {
		c.slow = &slow
	}
}

// report logs a call that took so long, with the keys of etcd's line. What it asked for is told by its shape: no key and no value is in it.
func (s *Slow) report(ctx context.Context, m *Method, begun time.Time, took time.Duration, request, response any, err error) {
	if held, ok := response.(*wire.Held); ok {
		response = held.Message
	}
	remote := ""
	if client, ok := peer.FromContext(ctx); ok {
		remote = client.Addr.String()
	}
	said := []slog.Attr{
		slog.Time("start time", begun), slog.Duration("time spent", took), slog.Duration("expected-duration", s.After),
		slog.String("remote", remote), slog.String("response type", m.full), slog.String("code", status.Code(err).String()),
		slog.Int("request size", sizeOf(request)), slog.Int("response size", sizeOf(response)), slog.Int64("response count", countOf(response)),
		slog.String("request content", shapeOf(request)),
	}
	said = append(said, phases.Of(ctx).Attributes()...)
	if id := tracing.ID(ctx); id != "" {
		said = append(said, slog.String("trace id", id))
	}
	s.Logger.LogAttrs(ctx, slog.LevelWarn, "request stats", said...)
}
