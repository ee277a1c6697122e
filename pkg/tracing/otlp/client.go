package otlp

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"connectrpc.com/connect"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/types/known/emptypb"
)

const (
	// procedure is the one that takes spans. Its request has the form of TracesData.
	procedure = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
	// exportTimeout bounds one call. What waits meanwhile is bounded by the queue.
	exportTimeout = 5 * time.Second
)

// client speaks OTLP over gRPC. It implements otlptrace.Client.
type client struct {
	transport *http.Transport
	export    *connect.Client[tracepb.TracesData, emptypb.Empty]
}

func newClient(address string) *client {
	plain := new(http.Protocols)
	plain.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: plain}
	return &client{
		transport: transport,
		export:    connect.NewClient[tracepb.TracesData, emptypb.Empty](&http.Client{Transport: transport}, "http://"+address+procedure, connect.WithGRPC()),
	}
}

// Start implements otlptrace.Client. Nothing is dialled before there is something to say.
func (*client) Start(context.Context) error { return nil }

// Stop implements otlptrace.Client.
func (c *client) Stop(context.Context) error {
	c.transport.CloseIdleConnections()
	return nil
}

// UploadTraces implements otlptrace.Client.
func (c *client) UploadTraces(ctx context.Context, spans []*tracepb.ResourceSpans) error {
	ctx, cancel := context.WithTimeout(ctx, exportTimeout)
	defer cancel()
	answer, err := c.export.CallUnary(ctx, connect.NewRequest(&tracepb.TracesData{ResourceSpans: spans}))
	if err != nil {
		return err
	}
	if rejected, why := partly(answer.Msg.ProtoReflect().GetUnknown()); rejected > 0 {
		return fmt.Errorf("the collector has rejected %d spans: %s", rejected, why)
	}
	return nil
}

// partly reads ExportTraceServiceResponse, whose first field says how many spans were rejected, and why.
func partly(response []byte) (rejected uint64, why string) {
	eachField(response, func(number protowire.Number, _ uint64, partial []byte) {
		if number != 1 {
			return
		}
		eachField(partial, func(number protowire.Number, value uint64, text []byte) {
			switch number {
			case 1:
				rejected = value
			case 2:
				why = string(text)
			}
		})
	})
	return rejected, why
}

// eachField calls fn with the fields of a message, as far as it is one.
func eachField(message []byte, fn func(number protowire.Number, value uint64, field []byte)) {
	for len(message) > 0 {
		number, kind, n := protowire.ConsumeTag(message)
		if n < 0 {
			return
		}
		message = message[n:]
		size := protowire.ConsumeFieldValue(number, kind, message)
		if size < 0 {
			return
		}
		switch kind {
		case protowire.VarintType:
			value, _ := protowire.ConsumeVarint(message)
			fn(number, value, nil)
		case protowire.BytesType:
			field, _ := protowire.ConsumeBytes(message)
			fn(number, 0, field)
		}
		message = message[size:]
	}
}
