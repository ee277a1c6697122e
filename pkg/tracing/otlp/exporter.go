package otlp

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/quoratedb/quorate/pkg/tracing"
)

const (
	// queueMax is how many spans may wait to be exported: some megabytes at the most. More are left out, never waited for.
	queueMax = 4096
	// closeMax bounds how long the last spans may take when the process ends.
	closeMax = 3 * time.Second
)

// Exporter exports the spans of the process.
type Exporter struct {
	provider *sdktrace.TracerProvider
	complain func(error)
}

// Start has spans recorded, and exported by goroutines that Close ends; nil where that is not enabled. A collector that is away is no error: log is
// told, and spans are left out meanwhile. A process has one Exporter: a later one takes the place of the one before.
func Start(ctx context.Context, c Config, log *slog.Logger) (*Exporter, error) {
	if !c.Enabled {
		return nil, nil
	}
	exporter, err := otlptrace.New(ctx, newClient(c.Address))
	if err != nil {
		return nil, fmt.Errorf("traces: %w", err)
	}
	complain := func(err error) {
		log.Warn("traces are not exported", slog.String("address", c.Address), slog.Any("error", err))
	}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(complain))
	e := &Exporter{complain: complain, provider: sdktrace.NewTracerProvider(
		sdktrace.WithBatcher(exporter, sdktrace.WithMaxQueueSize(queueMax)),
		sdktrace.WithSampler(c.sampler()),
		sdktrace.WithResource(c.resource()),
	)}
	tracing.Use(e.provider)
	return e, nil
}

// sampler follows whoever calls, and takes so many of those that bring no trace.
func (c Config) sampler() sdktrace.Sampler {
	if c.SamplingRate == 0 {
		return sdktrace.ParentBased(sdktrace.NeverSample())
	}
	return sdktrace.ParentBased(sdktrace.TraceIDRatioBased(float64(c.SamplingRate) / rateMax))
}

// resource says who the process is.
func (c Config) resource() *resource.Resource {
	said := []attribute.KeyValue{attribute.String("service.name", c.ServiceName)}
	if c.InstanceID != "" {
		said = append(said, attribute.String("service.instance.id", c.InstanceID))
	}
	return resource.NewSchemaless(said...)
}

// Close exports what is left, for at most some seconds, and ends. A nil Exporter has nothing to close; a second Close does nothing.
func (e *Exporter) Close() {
	if e == nil || e.provider == nil {
		return
	}
	tracing.Use(nil)
	ctx, cancel := context.WithTimeout(context.Background(), closeMax)
	defer cancel()
	if err := e.provider.Shutdown(ctx); err != nil {
		e.complain(err)
	}
	e.provider = nil
}
