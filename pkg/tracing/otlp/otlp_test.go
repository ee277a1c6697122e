package otlp

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/stretchr/testify/require"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/quoratedb/quorate/pkg/tracing"
)

// output is a log that several write to.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// requests begins and ends so many spans of requests that bring no trace.
func requests(n int) (sampled int) {
	for range n {
		ctx, span := tracing.Serve(context.Background(), "request", func(string) string { return "" })
		if tracing.Carried(ctx) != "" {
			sampled++
		}
		tracing.End(span, nil)
	}
	return sampled
}

// Goal: a collector that takes a part of the spans alone is heard, over gRPC without TLS. Method: one that rejects some.
func TestRejectedSpansAreSaid(t *testing.T) {
	got := make(chan int, 1)
	partial := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), 2)
	partial = protowire.AppendString(protowire.AppendTag(partial, 2, protowire.BytesType), "too old")
	mux := http.NewServeMux()
	mux.Handle(procedure, connect.NewUnaryHandler(procedure, func(_ context.Context, r *connect.Request[tracepb.TracesData]) (*connect.Response[emptypb.Empty], error) {
		require.Equal(t, connect.ProtocolGRPC, r.Peer().Protocol)
		got <- len(r.Msg.GetResourceSpans()[0].GetScopeSpans()[0].GetSpans())
		answer := &emptypb.Empty{}
		answer.ProtoReflect().SetUnknown(protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), partial))
		return connect.NewResponse(answer), nil
	}))
	server := httptest.NewUnstartedServer(mux)
	server.Config.Protocols = new(http.Protocols)
	server.Config.Protocols.SetUnencryptedHTTP2(true)
	server.Start()
	defer server.Close()
	var log output
	e, err := Start(t.Context(), Config{Enabled: true, Address: strings.TrimPrefix(server.URL, "http://"), ServiceName: "s", SamplingRate: rateMax}, slog.New(slog.NewTextHandler(&log, nil)))
	require.NoError(t, err)
	require.Equal(t, 3, requests(3))
	e.Close()
	e.Close()
	require.Equal(t, 3, <-got)
	require.Contains(t, log.String(), "rejected 2 spans: too old")
	require.False(t, tracing.On())
}

// Goal: a collector that is away, or that takes connections and says nothing, holds nobody: neither requests nor the end. Method: more spans than may wait, to both.
func TestCollectorThatIsAwayHoldsNobody(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer silent.Close()
	for _, address := range []string{"127.0.0.1:1", silent.Addr().String()} {
		var log output
		e, err := Start(t.Context(), Config{Enabled: true, Address: address, ServiceName: "s", SamplingRate: rateMax}, slog.New(slog.NewTextHandler(&log, nil)))
		require.NoError(t, err)
		began := time.Now()
		requests(2 * queueMax)
		e.Close()
		require.Less(t, time.Since(began), closeMax+10*time.Second)
		require.Contains(t, log.String(), "traces are not exported")
	}
}

// Goal: as many requests are traced as the rate says, and none where it is 0, or tracing is off. Method: many requests.
func TestSamplingRate(t *testing.T) {
	none, err := Start(t.Context(), Config{}, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	require.Nil(t, none)
	none.Close()
	require.False(t, tracing.On())
	for rate, want := range map[int][2]int{0: {0, 0}, rateMax / 2: {800, 1200}, rateMax: {2000, 2000}} {
		e, err := Start(t.Context(), Config{Enabled: true, Address: "127.0.0.1:1", ServiceName: "s", SamplingRate: rate}, slog.New(slog.DiscardHandler))
		require.NoError(t, err)
		sampled := requests(2000)
		require.True(t, want[0] <= sampled && sampled <= want[1], "%d of 2000 at %d", sampled, rate)
		e.Close()
	}
}

// Goal: settings that cannot work are named by their flags. Method: each, and the same where nothing is exported.
func TestSettingsThatCannotWork(t *testing.T) {
	wrong := Config{Enabled: true, Address: "collector", SamplingRate: rateMax + 1}
	for _, flag := range []string{"--distributed-tracing-address=collector:", "--distributed-tracing-service-name= is empty", "--distributed-tracing-sampling-rate=1000001"} {
		require.ErrorContains(t, wrong.Validate(), flag)
	}
	wrong.Enabled = false
	require.NoError(t, wrong.Validate())
	good := Default("quorate")
	good.Enabled = true
	require.NoError(t, good.Validate())
}
