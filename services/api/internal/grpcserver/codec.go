package grpcserver

import (
	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc/mem"

	"github.com/quoratedb/quorate/services/api/internal/wire"
)

// codec counts the bytes of the messages that clients send and get, as etcd does: without headers, frames and TLS.
type codec struct {
	wire.Codec
	sent, received prometheus.Counter
}

// newCodec registers the counters, where registerer is not nil.
func newCodec(registerer prometheus.Registerer) codec {
	c := codec{
		sent: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "etcd_network_client_grpc_sent_bytes_total", Help: "The total number of bytes sent to grpc clients.",
		}),
		received: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "etcd_network_client_grpc_received_bytes_total", Help: "The total number of bytes received from grpc clients.",
		}),
	}
	if registerer != nil {
		registerer.MustRegister(c.sent, c.received)
	}
	return c
}

// Marshal implements encoding.CodecV2.
func (c codec) Marshal(v any) (mem.BufferSlice, error) {
	encoded, err := c.Codec.Marshal(v)
	if err == nil {
		c.sent.Add(float64(encoded.Len()))
	}
	return encoded, err
}

// Unmarshal implements encoding.CodecV2.
func (c codec) Unmarshal(data mem.BufferSlice, v any) error {
	c.received.Add(float64(data.Len()))
	return c.Codec.Unmarshal(data, v)
}
