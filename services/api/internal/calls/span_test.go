package calls

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	otelcodes "go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/quoratedb/quorate/pkg/phases"
	"github.com/quoratedb/quorate/pkg/tracing"
)

// recording has the spans of a test recorded.
func recording(t testing.TB, sampler sdktrace.Sampler) *tracetest.SpanRecorder {
	t.Helper()
	recorder := tracetest.NewSpanRecorder()
	tracing.Use(sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder), sdktrace.WithSampler(sampler)))
	t.Cleanup(func() { tracing.Use(nil) })
	return recorder
}

// Goal: a call is a span, of its client's trace where that names one, with its method and how it ended; what the server refuses is no error of its own; a stream that
// goes one way is a span, and a watch, which lasts, is none. Method: calls that end in each of these ways.
func TestCallsAreSpans(t *testing.T) {
	recorder := recording(t, sdktrace.ParentBased(sdktrace.NeverSample()))
	c := newCalls(t)
	const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	sampled := metadata.NewIncomingContext(t.Context(), metadata.Pairs("traceparent", parent))
	for _, err := range []error{nil, rpctypes.ErrGRPCEmptyKey, rpctypes.ErrGRPCTimeout} {
		_, _ = c.Unary(sampled, &etcdserverpb.PutRequest{}, put, func(ctx context.Context, _ any) (any, error) {
			require.True(t, tracing.Recorded(ctx))
			return nil, err
		})
	}
	_, _ = c.Unary(t.Context(), &etcdserverpb.PutRequest{}, put, func(ctx context.Context, _ any) (any, error) {
		require.Empty(t, tracing.Carried(ctx), "nobody asked for it")
		return nil, nil
	})
	nothing := func(any, grpc.ServerStream) error { return nil }
	require.NoError(t, c.Stream(nil, kept{ctx: sampled}, &grpc.StreamServerInfo{FullMethod: "/etcdserverpb.KV/RangeStream", IsServerStream: true}, nothing))
	require.NoError(t, c.Stream(nil, kept{ctx: sampled}, &grpc.StreamServerInfo{FullMethod: "/etcdserverpb.Watch/Watch", IsServerStream: true, IsClientStream: true}, nothing))
	require.NoError(t, c.Stream(nil, kept{ctx: sampled}, &grpc.StreamServerInfo{FullMethod: "/etcdserverpb.Lease/LeaseKeepAlive", IsServerStream: true, IsClientStream: true}, nothing))
	spans := recorder.Ended()
	require.Len(t, spans, 4)
	for i, want := range []otelcodes.Code{otelcodes.Unset, otelcodes.Unset, otelcodes.Error} {
		require.Equal(t, "etcdserverpb.KV/Put", spans[i].Name())
		require.Equal(t, trace.SpanKindServer, spans[i].SpanKind())
		require.Equal(t, "0af7651916cd43dd8448eb211c80319c", spans[i].SpanContext().TraceID().String())
		require.Equal(t, "b7ad6b7169203331", spans[i].Parent().SpanID().String())
		require.Equal(t, want, spans[i].Status().Code, i)
	}
	require.Equal(t, "etcdserverpb.KV/RangeStream", spans[3].Name())
}

// Goal: the line of a slow write says where its time went, and in which trace; that of a read says no such thing. Method: a write that takes too long
// and notes its phases, and a read.
func TestLineOfASlowWriteHasItsPhases(t *testing.T) {
	recording(t, sdktrace.AlwaysSample())
	c := newCalls(t)
	var lines []map[string]slog.Value
	c.WatchSlow(Slow{After: time.Nanosecond, Logger: slog.New(takeLines{&lines})})
	_, _ = c.Unary(t.Context(), &etcdserverpb.PutRequest{}, put, func(ctx context.Context, _ any) (any, error) {
		phases.Of(ctx).Add(phases.Phases{Queue: time.Second, Sync: 2, Replicate: 3, Apply: 4})
		return nil, nil
	})
	ranges := &grpc.UnaryServerInfo{FullMethod: "/etcdserverpb.KV/Range"}
	_, _ = c.Unary(t.Context(), &etcdserverpb.RangeRequest{}, ranges, func(context.Context, any) (any, error) { return nil, nil })
	require.Len(t, lines, 2)
	require.Equal(t, time.Second, lines[0]["queue"].Duration())
	require.Equal(t, time.Duration(4), lines[0]["apply"].Duration())
	require.Len(t, lines[0]["trace id"].String(), 32)
	require.NotContains(t, lines[1], "queue")
}

// takeLines keeps what is logged.
type takeLines struct{ to *[]map[string]slog.Value }

func (takeLines) Enabled(context.Context, slog.Level) bool { return true }
func (l takeLines) WithAttrs([]slog.Attr) slog.Handler     { return l }
func (l takeLines) WithGroup(string) slog.Handler          { return l }

func (l takeLines) Handle(_ context.Context, r slog.Record) error {
	line := map[string]slog.Value{}
	r.Attrs(func(a slog.Attr) bool { line[a.Key] = a.Value; return true })
	*l.to = append(*l.to, line)
	return nil
}

// Goal: nobody pays for spans that nobody records. Method: what a call does for them allocates nothing.
func TestTracingThatIsOffCostsNothing(t *testing.T) {
	c := newCalls(t)
	m := c.Method(put.FullMethod)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		_, span := c.Follow(t.Context(), m)
		EndSpan(span, nil)
	}))
}

// BenchmarkTracing is a unary call, without what it does: go test -bench Tracing ./internal/calls.
func BenchmarkTracing(b *testing.B) {
	c := newCalls(b)
	ctx := metadata.NewIncomingContext(b.Context(), metadata.Pairs("content-type", "application/grpc"))
	nothing := func(context.Context, any) (any, error) { return nil, nil }
	call := func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _ = c.Unary(ctx, nil, put, nothing)
		}
	}
	b.Run("off", call)
	b.Run("off, the part for traces", func(b *testing.B) {
		m := c.Method(put.FullMethod)
		b.ReportAllocs()
		for b.Loop() {
			_, span := c.Follow(ctx, m)
			EndSpan(span, nil)
		}
	})
	b.Run("on, not sampled", func(b *testing.B) {
		tracing.Use(sdktrace.NewTracerProvider(sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.NeverSample()))))
		defer tracing.Use(nil)
		call(b)
	})
	b.Run("on, sampled", func(b *testing.B) {
		tracing.Use(sdktrace.NewTracerProvider(sdktrace.WithSampler(sdktrace.AlwaysSample())))
		defer tracing.Use(nil)
		call(b)
	})
}
