package traces

import (
	"context"
	"encoding/hex"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"
	collectorpb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/quoratedb/quorate/tests/harness"
)

// The trace of a client, and its span.
const (
	traceID = "0af7651916cd43dd8448eb211c80319c"
	parent  = "00-" + traceID + "-b7ad6b7169203331-01"
)

// span is one as it was exported, and by whom.
type span struct {
	*tracepb.Span
	service, instance string
}

// collector keeps what it is sent.
type collector struct {
	collectorpb.UnimplementedTraceServiceServer
	address string

	mu    sync.Mutex
	spans []span
}

// collect runs a collector of OpenTelemetry's own messages, by grpc-go.
func collect(t *testing.T) *collector {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	c := &collector{address: listener.Addr().String()}
	server := grpc.NewServer()
	collectorpb.RegisterTraceServiceServer(server, c)
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	return c
}

// Export implements collectorpb.TraceServiceServer.
func (c *collector) Export(_ context.Context, r *collectorpb.ExportTraceServiceRequest) (*collectorpb.ExportTraceServiceResponse, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, of := range r.GetResourceSpans() {
		said := map[string]string{}
		for _, attribute := range of.GetResource().GetAttributes() {
			said[attribute.GetKey()] = attribute.GetValue().GetStringValue()
		}
		for _, scope := range of.GetScopeSpans() {
			for _, one := range scope.GetSpans() {
				c.spans = append(c.spans, span{one, said["service.name"], said["service.instance.id"]})
			}
		}
	}
	return &collectorpb.ExportTraceServiceResponse{}, nil
}

// of are the spans that a service was said to be the origin of, by name.
func (c *collector) of(service string) map[string][]span {
	c.mu.Lock()
	defer c.mu.Unlock()
	found := map[string][]span{}
	for _, one := range c.spans {
		if one.service == service {
			found[one.GetName()] = append(found[one.GetName()], one)
		}
	}
	return found
}

// put puts a key in the trace, over gRPC.
func put(t *testing.T, client *clientv3.Client) {
	t.Helper()
	_, err := client.Put(metadata.AppendToOutgoingContext(harness.Context(t), "traceparent", parent), "k", "v")
	require.NoError(t, err)
}

// Goal: one process exports the spans of calls whose clients ask for it, over each wire, with the parts of a write below, to a collector that speaks
// gRPC, and those of others as the sampling rate says: none. Method: a put over gRPC, in JSON, over Connect and by v2, a read and a put of nobody's trace; then the
// member stops, and has exported all.
func TestCallsOverEveryWireAreExported(t *testing.T) {
	c := collect(t)
	binary, err := harness.Binary()
	require.NoError(t, err)
	server := harness.New(harness.Config{Binary: binary, DataDir: t.TempDir(), Args: []string{
		"--enable-distributed-tracing", "--experimental-distributed-tracing-address=" + c.address,
		"--distributed-tracing-service-name=store", "--distributed-tracing-instance-id=a",
	}})
	t.Cleanup(server.Kill)
	require.NoError(t, server.Start(harness.Context(t)))
	client := harness.Client(t, server)
	put(t, client)
	_, err = client.Get(metadata.AppendToOutgoingContext(harness.Context(t), "traceparent", parent), "k")
	require.NoError(t, err)
	_, err = client.Delete(harness.Context(t), "k")
	require.NoError(t, err)
	for _, r := range []struct{ method, path, kind, body string }{
		{http.MethodPost, "/v3/kv/put", "application/json", `{"key":"aw==","value":"dg=="}`},
		{http.MethodPost, "/etcdserverpb.KV/Put", "application/json", `{"key":"aw==","value":"dg=="}`},
		{http.MethodPut, "/v2/keys/a", "application/x-www-form-urlencoded", "value=b"},
	} {
		request, err := http.NewRequestWithContext(harness.Context(t), r.method, server.URL()+r.path, strings.NewReader(r.body))
		require.NoError(t, err)
		request.Header.Set("Content-Type", r.kind)
		request.Header.Set("traceparent", parent)
		answer, err := http.DefaultClient.Do(request)
		require.NoError(t, err)
		require.NoError(t, answer.Body.Close())
		require.Equal(t, 2, answer.StatusCode/100, r.path)
	}
	code, err := server.Stop(syscall.SIGTERM)
	require.NoError(t, err)
	require.Zero(t, code, server.Output())

	spans := c.of("store")
	require.Len(t, spans["etcdserverpb.KV/Put"], 3, "gRPC, JSON and Connect")
	require.Len(t, spans["etcdserverpb.KV/Range"], 1)
	require.Len(t, spans["PUT /v2"], 1)
	require.NotContains(t, spans, "etcdserverpb.KV/DeleteRange", "nobody asked for it")
	for _, one := range spans["etcdserverpb.KV/Put"] {
		require.Equal(t, traceID, hex.EncodeToString(one.GetTraceId()))
		require.Equal(t, "b7ad6b7169203331", hex.EncodeToString(one.GetParentSpanId()))
		require.Equal(t, "a", one.instance)
	}
	for _, part := range []string{"queue", "sync", "replicate", "apply", "commit"} {
		require.Len(t, spans[part], 4, part)
	}
	require.Equal(t, spans["etcdserverpb.KV/Put"][0].GetSpanId(), spans["queue"][0].GetParentSpanId())
}

// Goal: a trace goes through services that run apart, each of which exports its own spans under the name of its program. Method: a put and a lease through an API node;
// what the member did is below the API's span.
func TestTracesGoThroughServicesApart(t *testing.T) {
	c := collect(t)
	flags := []string{"--enable-distributed-tracing", "--distributed-tracing-address=" + c.address}
	s := harness.NewApart(harness.ApartConfig{
		Programs: filepath.Join(harness.Root(), "bin"), DataDir: t.TempDir(), Sizes: harness.Sizes{Consensus: 1, Lease: 1, Watch: 1, API: 1},
		ConsensusArgs: flags, LeaseArgs: flags, APIArgs: flags,
	})
	t.Cleanup(s.All().Kill)
	require.NoError(t, s.Start(harness.Context(t)))
	client, err := clientv3.New(clientv3.Config{Endpoints: s.Endpoints()})
	require.NoError(t, err)
	put(t, client)
	_, err = client.Grant(metadata.AppendToOutgoingContext(harness.Context(t), "traceparent", parent), 60)
	require.NoError(t, err)
	require.NoError(t, client.Close())
	for _, one := range []*harness.Server{s.API[0], s.Watch[0], s.Lease[0], s.Consensus[0]} {
		code, err := one.Stop(syscall.SIGTERM)
		require.NoError(t, err)
		require.Zero(t, code, one.Output())
	}
	api, lease, consensus := c.of("quorate-api"), c.of("quorate-lease"), c.of("quorate-consensus")
	require.Len(t, api["etcdserverpb.KV/Put"], 1)
	require.Len(t, api["etcdserverpb.Lease/LeaseGrant"], 1)
	require.Len(t, lease["Grant"], 1)
	require.Equal(t, api["etcdserverpb.Lease/LeaseGrant"][0].GetSpanId(), lease["Grant"][0].GetParentSpanId())
	require.Len(t, consensus["Propose"], 2)
	require.Len(t, consensus["replicate"], 2)
	below := map[string]bool{}
	for _, one := range consensus["Propose"] {
		below[string(one.GetParentSpanId())] = true
	}
	require.True(t, below[string(api["etcdserverpb.KV/Put"][0].GetSpanId())])
	require.True(t, below[string(lease["Grant"][0].GetSpanId())])
	for _, spans := range []map[string][]span{api, lease, consensus} {
		for name, all := range spans {
			for _, one := range all {
				require.Equal(t, traceID, hex.EncodeToString(one.GetTraceId()), name)
			}
		}
	}
}
