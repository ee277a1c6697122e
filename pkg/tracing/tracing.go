// Package tracing makes spans of requests, where the process records any, and carries them from one service to the next. It exports nothing and
// samples nothing: that is package otlp's. While nobody records, each function here costs one look at a pointer.
package tracing

import (
	"context"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// tracer is who makes spans, nil for nobody. A process has one, as it has one log.
var tracer atomic.Pointer[trace.Tracer]

// scope is the name of what makes the spans.
const scope = "github.com/quoratedb/quorate"

// format is how a span is named between processes: W3C's.
var format propagation.TraceContext

// header is format's own.
const header = "traceparent"

// Use has spans made by a provider from now on, nil for none.
func Use(provider trace.TracerProvider) {
	if provider == nil {
		tracer.Store(nil)
		return
	}
	made := provider.Tracer(scope)
	tracer.Store(&made)
}

// On tells whether anybody records spans.
func On() bool { return tracer.Load() != nil }

// Serve begins the span of a request that came from outside, which may name a span of its client's: from returns what a header says. Call it while
// On; where nobody records any more it returns a span that does nothing.
func Serve(ctx context.Context, name string, from func(header string) string, attributes ...attribute.KeyValue) (context.Context, trace.Span) {
	made := tracer.Load()
	if made == nil {
		return ctx, trace.SpanFromContext(context.Background())
	}
	return (*made).Start(format.Extract(ctx, carried(from)), name, trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(attributes...))
}

// Carried names the span of a context for another process, empty where none is recorded.
func Carried(ctx context.Context) string {
	if !On() || !trace.SpanContextFromContext(ctx).IsSampled() {
		return ""
	}
	to := propagation.MapCarrier{}
	format.Inject(ctx, to)
	return to[header]
}

// Continue begins the span of a call that came from a process which has said Carried: nil where that was nothing, or nobody records.
func Continue(ctx context.Context, name, parent string) (context.Context, trace.Span) {
	if parent == "" {
		return ctx, nil
	}
	made := tracer.Load()
	if made == nil {
		return ctx, nil
	}
	return (*made).Start(format.Extract(ctx, propagation.MapCarrier{header: parent}), name, trace.WithSpanKind(trace.SpanKindServer))
}

// Begin begins a part of what the context's span is about. End it with the function that is returned.
func Begin(ctx context.Context, name string) (context.Context, func(error)) {
	made := tracer.Load()
	if made == nil || !trace.SpanFromContext(ctx).IsRecording() {
		return ctx, func(error) {}
	}
	ctx, span := (*made).Start(ctx, name)
	return ctx, func(err error) { End(span, err) }
}

// End ends a span, which may be nil, with an error or without.
func End(span trace.Span, err error) {
	if span == nil {
		return
	}
	if err != nil {
		span.SetStatus(codes.Error, err.Error())
	}
	span.End()
}

// Recorded tells whether the span of a context is recorded, so that parts of it are worth telling.
func Recorded(ctx context.Context) bool { return On() && trace.SpanFromContext(ctx).IsRecording() }

// Part adds a part of what the context's span is about that has gone by already; nothing where one of the times is zero.
func Part(ctx context.Context, name string, begun, ended time.Time) {
	made := tracer.Load()
	if made == nil || begun.IsZero() || ended.IsZero() {
		return
	}
	_, span := (*made).Start(ctx, name, trace.WithTimestamp(begun))
	span.End(trace.WithTimestamp(ended))
}

// ID is the id of the trace that a context is part of, empty where none is recorded.
func ID(ctx context.Context) string {
	if !On() {
		return ""
	}
	if of := trace.SpanContextFromContext(ctx); of.IsSampled() {
		return of.TraceID().String()
	}
	return ""
}

// carried reads headers.
type carried func(header string) string

// Get implements propagation.TextMapCarrier.
func (c carried) Get(header string) string { return c(header) }

// Set implements propagation.TextMapCarrier, for a carrier that is read alone.
func (carried) Set(string, string) {}

// Keys implements propagation.TextMapCarrier, for a carrier whose headers are asked for by name.
func (carried) Keys() []string { return nil }
