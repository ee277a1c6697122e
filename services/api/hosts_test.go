package api

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/api/v3/etcdserverpb"
)

// A page whose name leads here is refused where the operator said which names are right, with etcd's code and text, on
// all paths of HTTP and before CORS is answered.
func TestHostWhitelist(t *testing.T) {
	s := serve(t, fakeServices(), func(cfg *Config) { cfg.HostWhitelist = []string{"127.0.0.1", "good.example"} })
	for host, code := range map[string]int{
		"": http.StatusOK, "good.example": http.StatusOK, "good.example:99": http.StatusOK,
		"evil.example": http.StatusMisdirectedRequest, "evil.example:2379": http.StatusMisdirectedRequest,
	} {
		for _, method := range []string{http.MethodGet, http.MethodOptions} {
			r, err := http.NewRequestWithContext(within(t), method, "http://"+s.address+"/version", nil)
			require.NoError(t, err)
			r.Host = host
			answer, err := h1(t).Do(r)
			require.NoError(t, err)
			require.NoError(t, answer.Body.Close())
			require.Equal(t, code, answer.StatusCode, "%s %q", method, host)
		}
	}
	kv := etcdserverpb.NewKVClient(dial(t, s.address))
	_, err := kv.Range(within(t), &etcdserverpb.RangeRequest{Key: []byte("foo")})
	require.NoError(t, err, "gRPC is not asked")
}

// Without the gateway its paths are not there, and everything else is.
func TestGatewayCanBeOff(t *testing.T) {
	url := "http://" + serve(t, fakeServices(), func(cfg *Config) { cfg.NoGateway = true }).address
	for _, path := range []string{"/v3/kv/range", "/v3beta/kv/range"} {
		answer, body := ask(t, h1(t), http.MethodPost, url+path)
		require.Equal(t, http.StatusNotFound, answer.StatusCode)
		require.Equal(t, "404 page not found\n", body)
	}
	answer, _ := ask(t, h1(t), http.MethodGet, url+"/version")
	require.Equal(t, http.StatusOK, answer.StatusCode)
}

// v2's requests show in the metrics, under the names that etcd gave them.
func TestV2RequestsAreCounted(t *testing.T) {
	metrics := prometheus.NewRegistry()
	handler := counted(metrics, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodDelete {
			w.WriteHeader(http.StatusNotFound)
		}
		require.NoError(t, http.NewResponseController(w).Flush())
	}))
	for _, request := range []struct{ method, path string }{
		{"GET", "/v2/keys/a"}, {"GET", "/v2/keys/a?wait=true"}, {"DELETE", "/v2/keys/a"}, {"INVENTED", "/v2/keys/a"},
	} {
		handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), request.method, request.path, nil))
	}
	series := func(name string) int {
		n, err := testutil.GatherAndCount(metrics, name)
		require.NoError(t, err)
		return n
	}
	require.Equal(t, 3, series("etcd_http_received_total"), "GET, DELETE, other")
	require.Equal(t, 1, series("etcd_http_failed_total"))
	require.Equal(t, 2, series("etcd_http_successful_duration_seconds"), "GET, other")
}
