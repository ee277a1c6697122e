package wires

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/reflection/grpc_reflection_v1"

	"github.com/quoratedb/quorate/tests/harness"
)

func page(t *testing.T, path string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(harness.Context(t), http.MethodGet, shared.URL()+path, nil)
	require.NoError(t, err)
	resp, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(body)
}

// Goal: probes find what they look for at etcd's paths. Method: the answers of a healthy member.
func TestPages(t *testing.T) {
	t.Parallel()
	code, body := page(t, "/health")
	require.Equal(t, 200, code)
	require.JSONEq(t, `{"health":"true","reason":""}`, body)
	for _, path := range []string{"/livez", "/readyz"} {
		code, body = page(t, path)
		require.Equal(t, 200, code, path)
		require.Equal(t, "ok", strings.TrimSpace(body), path)
	}
	code, body = page(t, "/version")
	require.Equal(t, 200, code)
	var version map[string]string
	require.NoError(t, json.Unmarshal([]byte(body), &version))
	require.Regexp(t, `^3\.\d+\.\d+`, version["etcdserver"])
	require.Regexp(t, `^3\.\d+\.\d+`, version["etcdcluster"])
	code, body = page(t, "/metrics")
	require.Equal(t, 200, code)
	for _, metric := range []string{
		"etcd_server_has_leader 1", "etcd_server_is_leader 1", "etcd_debugging_mvcc_current_revision", "etcd_disk_wal_fsync_duration_seconds_count",
		"etcd_mvcc_put_total", "etcd_mvcc_db_total_size_in_bytes", "etcd_server_proposals_applied_total", "grpc_server_handled_total",
		"process_resident_memory_bytes",
	} {
		require.Contains(t, body, "\n"+metric, "dashboards look for it")
	}
	code, _ = page(t, "/nonsense")
	require.Equal(t, 404, code)
}

// Goal: gRPC's own health and reflection services answer. Method: ask for the health, and for the services, with grpc-go.
func TestHealthAndReflection(t *testing.T) {
	t.Parallel()
	conn := harness.Client(t, shared).ActiveConnection()
	health, err := grpc_health_v1.NewHealthClient(conn).Check(harness.Context(t), &grpc_health_v1.HealthCheckRequest{})
	require.NoError(t, err)
	require.Equal(t, grpc_health_v1.HealthCheckResponse_SERVING, health.Status)
	if harness.IsPeer() {
		t.Skip("etcd has no reflection")
	}
	stream, err := grpc_reflection_v1.NewServerReflectionClient(conn).ServerReflectionInfo(harness.Context(t))
	require.NoError(t, err)
	require.NoError(t, stream.Send(&grpc_reflection_v1.ServerReflectionRequest{
		MessageRequest: &grpc_reflection_v1.ServerReflectionRequest_ListServices{ListServices: "*"},
	}))
	resp, err := stream.Recv()
	require.NoError(t, err)
	var names []string
	for _, service := range resp.GetListServicesResponse().GetService() {
		names = append(names, service.Name)
	}
	require.Subset(t, names, []string{"etcdserverpb.KV", "etcdserverpb.Watch", "etcdserverpb.Lease", "etcdserverpb.Cluster", "etcdserverpb.Maintenance"})
}
