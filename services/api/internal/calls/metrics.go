package calls

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"

	"github.com/quoratedb/quorate/pkg/budget"
	"github.com/quoratedb/quorate/services/api/internal/auth"
	"github.com/quoratedb/quorate/services/api/internal/ratelimit"
)

// codesMax is the number of gRPC status codes; they are numbered without gaps.
const codesMax = int(codes.Unauthenticated) + 1

// vectors are the metrics of go-grpc-middleware's Prometheus provider, which etcd has. That package looks the labels of
// each call up in maps and builds a reporter for it; here the counters of a method are found once.
type vectors struct {
	started, received, sent, handled *prometheus.CounterVec
	// took is nil where calls are not timed.
	took *prometheus.HistogramVec
}

// newTook makes the histogram that etcd has where it is started with --metrics=extensive.
func newTook() *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "grpc_server_handling_seconds",
		Help:    "Histogram of response latency (seconds) of gRPC that had been application-level handled by the server.",
		Buckets: prometheus.DefBuckets,
	}, []string{"grpc_type", "grpc_service", "grpc_method"})
}

func newVectors() vectors {
	labels := []string{"grpc_type", "grpc_service", "grpc_method"}
	counter := func(name, help string, labels []string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	return vectors{
		started:  counter("grpc_server_started_total", "Total number of RPCs started on the server.", labels),
		received: counter("grpc_server_msg_received_total", "Total number of RPC stream messages received on the server.", labels),
		sent:     counter("grpc_server_msg_sent_total", "Total number of RPC stream messages sent by the server.", labels),
		handled: counter("grpc_server_handled_total",
			"Total number of RPCs completed on the server, regardless of success or failure.", append(labels, "grpc_code")),
	}
}

func (v vectors) register(registerer prometheus.Registerer) {
	registerer.MustRegister(v.started, v.received, v.sent, v.handled)
}

// method makes the counters of one method, so that all of its series exist from the start, as etcd's do.
func (v vectors) method(service string, info grpc.MethodInfo) *Method {
	kind := kindOf(info)
	m := &Method{
		started:  v.started.WithLabelValues(kind, service, info.Name),
		received: v.received.WithLabelValues(kind, service, info.Name),
		sent:     v.sent.WithLabelValues(kind, service, info.Name),
	}
	if v.took != nil {
		m.took = v.took.WithLabelValues(kind, service, info.Name)
	}
	for code := range m.handled {
		m.handled[code] = v.handled.WithLabelValues(kind, service, info.Name, codes.Code(code).String())
	}
	return m
}

func kindOf(info grpc.MethodInfo) string {
	switch {
	case info.IsClientStream && info.IsServerStream:
		return "bidi_stream"
	case info.IsClientStream:
		return "client_stream"
	case info.IsServerStream:
		return "server_stream"
	}
	return "unary"
}

// Method counts the calls of one method. Its methods may be called concurrently and allocate nothing.
type Method struct {
	started, received, sent prometheus.Counter
	handled                 [codesMax]prometheus.Counter
	took                    prometheus.Observer // nil where calls are not timed
	watches                 bool                // tells of the state for as long as it goes
	waits                   bool                // for other clients, as long as its own likes
	reads                   bool                // may have an answer of any size
	writes                  bool                // may write, and is unary
	renews                  bool                // keeps leases alive, as long as its client likes
	full                    string
	need                    auth.Need
	limited                 ratelimit.Kind // nil where nothing is
}

// unknown stands for methods that were not registered.
var unknown = newVectors().method("", grpc.MethodInfo{})

// Started counts the beginning of a call and returns when that was, for Handled: the zero time where nobody measures it.
func (m *Method) Started() (begun time.Time) {
	m.started.Inc()
	if m.took != nil {
		begun = time.Now()
	}
	return begun
}

// Received counts a message from the client.
func (m *Method) Received() { m.received.Inc() }

// Sent counts a message to the client.
func (m *Method) Sent() { m.sent.Inc() }

// Handled counts the end of a call that Started has counted.
func (m *Method) Handled(begun time.Time, code codes.Code) {
	if m.took != nil {
		m.took.Observe(time.Since(begun).Seconds())
	}
	if int(code) >= codesMax {
		code = codes.Unknown
	}
	m.handled[code].Inc()
}

// registerAnswers registers what answers hold.
func registerAnswers(registerer prometheus.Registerer, answers *budget.Answers) {
	registerer.MustRegister(
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "quorate_api_answers_bytes", Help: "Bytes that answers to reads hold until clients have taken them.",
		}, func() float64 { held, _ := answers.Held(); return float64(held) }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "quorate_api_answers_dropped_total", Help: "Clients dropped because they did not read answers whose memory others waited for.",
		}, func() float64 { _, dropped := answers.Held(); return float64(dropped) }),
	)
}
