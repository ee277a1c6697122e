package api

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// ask sends a request and returns the answer with its body.
func ask(t *testing.T, client *http.Client, method, url string, headers ...string) (*http.Response, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(within(t), method, url, nil)
	require.NoError(t, err)
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	answer, err := client.Do(request)
	require.NoError(t, err)
	body, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	return answer, string(body)
}

// Goal: probes and dashboards that were written for etcd get what they know. Method: a table of paths against states of
// the store, with the bodies that etcd 3.7 gives.
func TestHealthPaths(t *testing.T) {
	well := &consensusv1.StatusResponse{LeaderId: 1, MemberId: 1}
	others := []*consensusv1.Alarm{{MemberId: 2, Type: consensusv1.Alarm_TYPE_CORRUPT}}
	everyones := []*consensusv1.Alarm{{Type: consensusv1.Alarm_TYPE_CORRUPT}}
	corrupt := []*consensusv1.Alarm{{MemberId: 1, Type: consensusv1.Alarm_TYPE_CORRUPT}}
	full := []*consensusv1.Alarm{{MemberId: 1, Type: consensusv1.Alarm_TYPE_NOSPACE}}
	for name, c := range map[string]struct {
		store fakeStore
		path  string
		code  int
		body  string
	}{
		"well":               {fakeStore{status: well}, "/health", 200, `{"health":"true","reason":""}`},
		"no leader":          {fakeStore{status: &consensusv1.StatusResponse{}}, "/health", 503, `{"health":"false","reason":"RAFT NO LEADER"}` + "\n"},
		"serializable":       {fakeStore{status: &consensusv1.StatusResponse{}}, "/health?serializable=true", 200, `{"health":"true","reason":""}`},
		"full":               {fakeStore{status: well, alarms: full}, "/health", 503, `{"health":"false","reason":"ALARM NOSPACE"}` + "\n"},
		"full, excluded":     {fakeStore{status: well, alarms: full}, "/health?exclude=NOSPACE", 200, `{"health":"true","reason":""}`},
		"other excluded":     {fakeStore{status: well, alarms: corrupt}, "/health?exclude=NOSPACE", 503, `{"health":"false","reason":"ALARM CORRUPT"}` + "\n"},
		"unreadable":         {fakeStore{status: well, readErr: errdefs.ErrTimeout}, "/health", 503, `{"health":"false","reason":"RANGE ERROR:etcdserver: request timed out"}` + "\n"},
		"alive":              {fakeStore{status: well}, "/livez", 200, "ok\n"},
		"alive, verbose":     {fakeStore{status: well}, "/livez?verbose", 200, "[+]serializable_read ok\nok\n"},
		"dead":               {fakeStore{status: well, readErr: errors.New("disk gone")}, "/livez", 503, "[-]serializable_read failed: disk gone\n\n"},
		"dead, excluded":     {fakeStore{status: well, readErr: errors.New("disk gone")}, "/livez?exclude=serializable_read", 200, "ok\n"},
		"one check":          {fakeStore{status: well}, "/livez/serializable_read?verbose", 200, "[+]serializable_read ok\nok\n"},
		"not excludable":     {fakeStore{status: well, readErr: errors.New("disk gone")}, "/livez/serializable_read?exclude=serializable_read", 503, "[-]serializable_read failed: disk gone\n\n"},
		"ready":              {fakeStore{status: well}, "/readyz", 200, "ok\n"},
		"ready, verbose":     {fakeStore{status: well}, "/readyz?verbose", 200, "[+]data_corruption ok\n[+]serializable_read ok\n[+]linearizable_read ok\n[+]non_learner ok\nok\n"},
		"corrupt":            {fakeStore{status: well, alarms: corrupt}, "/readyz", 503, "[-]data_corruption failed: alarm activated: CORRUPT\n[+]serializable_read ok\n[+]linearizable_read ok\n[+]non_learner ok\n\n"},
		"other corrupt":      {fakeStore{status: well, alarms: others}, "/readyz", 200, "ok\n"},
		"other unhealthy":    {fakeStore{status: well, alarms: others}, "/health", 200, `{"health":"true","reason":""}`},
		"all corrupt":        {fakeStore{status: well, alarms: everyones}, "/health", 503, `{"health":"false","reason":"ALARM CORRUPT"}` + "\n"},
		"learner":            {fakeStore{status: &consensusv1.StatusResponse{IsLearner: true}}, "/readyz/non_learner", 503, "[-]non_learner failed: not supported for learner\n\n"},
		"voter":              {fakeStore{status: well}, "/readyz/non_learner", 200, "ok\n"},
		"no such check":      {fakeStore{status: well}, "/readyz/other", 404, "404 page not found\n"},
		"no such path":       {fakeStore{status: well}, "/nothing", 404, "404 page not found\n"},
		"no such method":     {fakeStore{status: well}, "/etcdserverpb.KV/Nothing", 404, "404 page not found\n"},
		"full, but readable": {fakeStore{status: well, alarms: full}, "/readyz", 200, "ok\n"},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, fakeServices(), func(cfg *Config) { cfg.Consensus = &c.store })
			answer, body := ask(t, h1(t), http.MethodGet, "http://"+s.address+c.path)
			require.Equal(t, c.code, answer.StatusCode, body)
			require.Equal(t, c.body, body)
			require.Equal(t, "text/plain; charset=utf-8", answer.Header.Get("Content-Type"))
		})
	}
}

// Goal: only GET is answered on these paths, as by etcd. Method: POST and HEAD to each.
func TestOnlyGet(t *testing.T) {
	url := "http://" + serve(t, fakeServices(), nil).address
	for _, path := range []string{"/health", "/livez", "/readyz/non_learner", "/version"} {
		for _, method := range []string{http.MethodPost, http.MethodHead} {
			answer, _ := ask(t, h1(t), method, url+path)
			require.Equal(t, http.StatusMethodNotAllowed, answer.StatusCode)
			require.Equal(t, "GET", answer.Header.Get("Allow"))
		}
	}
}

// Goal: /version has etcd's fields. Method: ask for it.
func TestVersion(t *testing.T) {
	s := serve(t, fakeServices(), func(cfg *Config) { cfg.Versions = Versions{Server: "3.7.9"} })
	answer, body := ask(t, h2(t), http.MethodGet, "http://"+s.address+"/version")
	require.Equal(t, `{"etcdserver":"3.7.9","etcdcluster":"3.7.0","storage":"3.7.0"}`, body)
	require.Equal(t, "application/json", answer.Header.Get("Content-Type"))
}

// Goal: calls of every protocol count in the metrics that etcd's dashboards show, and the metrics listener serves them
// but no clients. Method: a call each by gRPC and JSON, a refusal and a stream, then look.
func TestMetrics(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var monitor *Monitor
	s := serve(t, fakeServices(), func(cfg *Config) {
		monitor = NewMonitor(MonitorConfig{Listeners: []net.Listener{listener}, Logger: cfg.Logger, Registerer: cfg.Registerer, Gatherer: cfg.Gatherer})
		cfg.Monitor = monitor
	})
	monitoring, end := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- monitor.Run(monitoring) }()
	t.Cleanup(func() {
		end()
		require.NoError(t, <-ended)
	})
	kv := etcdserverpb.NewKVClient(dial(t, s.address))
	_, err = kv.Range(within(t), &etcdserverpb.RangeRequest{Key: []byte("k")})
	require.NoError(t, err)
	_, err = kv.Range(within(t), &etcdserverpb.RangeRequest{})
	require.Error(t, err)
	chunks, err := kv.RangeStream(within(t), &etcdserverpb.RangeRequest{Key: []byte("k")})
	require.NoError(t, err)
	for err == nil {
		_, err = chunks.Recv()
	}
	require.ErrorIs(t, err, io.EOF)
	answer, err := h1(t).Post("http://"+s.address+"/etcdserverpb.KV/Range", "application/json", strings.NewReader(`{"key":"Zm9v"}`))
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	ask(t, h1(t), http.MethodGet, "http://"+s.address+"/health")
	ask(t, h1(t), http.MethodGet, "http://"+s.address+"/readyz")

	wanted := []string{
		`grpc_server_started_total{grpc_method="Range",grpc_service="etcdserverpb.KV",grpc_type="unary"} 3`,
		`grpc_server_handled_total{grpc_code="OK",grpc_method="Range",grpc_service="etcdserverpb.KV",grpc_type="unary"} 2`,
		`grpc_server_handled_total{grpc_code="InvalidArgument",grpc_method="Range",grpc_service="etcdserverpb.KV",grpc_type="unary"} 1`,
		`grpc_server_handled_total{grpc_code="Unavailable",grpc_method="Watch",grpc_service="etcdserverpb.Watch",grpc_type="bidi_stream"} 0`,
		`grpc_server_msg_received_total{grpc_method="RangeStream",grpc_service="etcdserverpb.KV",grpc_type="server_stream"} 1`,
		`grpc_server_msg_sent_total{grpc_method="RangeStream",grpc_service="etcdserverpb.KV",grpc_type="server_stream"} 3`,
		`etcd_server_health_success 1`,
		`etcd_server_healthchecks_total{name="linearizable_read",status="success",type="readyz"} 1`,
		`quorate_api_connections `,
	}
	for _, address := range []string{s.address, listener.Addr().String()} {
		// The end of a stream is counted after its client has seen it.
		require.Eventually(t, func() bool {
			_, body := ask(t, h1(t), http.MethodGet, "http://"+address+"/metrics")
			for _, line := range wanted {
				if !strings.Contains(body, line) {
					t.Logf("waiting for %s", line)
					return false
				}
			}
			return true
		}, testTime, 10*time.Millisecond)
	}
	for path, want := range map[string]int{"/health": 200, "/livez": 200, "/readyz": 200, "/version": 404, "/etcdserverpb.KV/Range": 404} {
		answer, _ := ask(t, h1(t), http.MethodGet, "http://"+listener.Addr().String()+path)
		require.Equal(t, want, answer.StatusCode, path)
	}
}

// Goal: scripts of allowed origins may call, others not. Method: the preflight and the request of a browser.
func TestCORS(t *testing.T) {
	for name, c := range map[string]struct {
		allowed []string
		origin  string
		want    string
	}{
		"unsaid":    {nil, "", "*"},
		"everybody": {nil, "https://console.example", "*"},
		"one":       {[]string{"https://console.example"}, "https://console.example", "https://console.example"},
		"another":   {[]string{"https://console.example"}, "https://evil.example", ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, fakeServices(), func(cfg *Config) { cfg.CORS = c.allowed })
			url := "http://" + s.address + "/etcdserverpb.KV/Range"
			answer, _ := ask(t, h1(t), http.MethodOptions, url, "Origin", c.origin,
				"Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "connect-protocol-version,content-type")
			require.Equal(t, http.StatusOK, answer.StatusCode)
			require.Equal(t, c.want, answer.Header.Get("Access-Control-Allow-Origin"))
			if c.want != "" {
				require.Equal(t, "POST, GET, OPTIONS, PUT, DELETE", answer.Header.Get("Access-Control-Allow-Methods"))
				require.Equal(t, "7200", answer.Header.Get("Access-Control-Max-Age"))
				for _, header := range []string{"accept", "authorization", "content-type", "connect-protocol-version", "x-grpc-web"} {
					require.Contains(t, answer.Header.Get("Access-Control-Allow-Headers"), header)
				}
			}
			answer, _ = ask(t, h1(t), http.MethodPost, url, "Origin", c.origin, "Content-Type", "application/grpc-web+proto")
			require.Equal(t, c.want, answer.Header.Get("Access-Control-Allow-Origin"))
			require.Equal(t, c.want != "" && c.origin != "", strings.Contains(answer.Header.Get("Access-Control-Expose-Headers"), "Grpc-Status"))
		})
	}
}

// Goal: a message may be larger than the largest request by etcd's margin, so that the request gets etcd's refusal, and
// no larger. Method: puts just below and above, by gRPC and by Connect.
func TestMessageLimit(t *testing.T) {
	s := serve(t, fakeServices(), func(cfg *Config) { cfg.MaxRequestBytes = 1000 })
	kv := etcdserverpb.NewKVClient(dial(t, s.address))
	_, err := kv.Put(within(t), &etcdserverpb.PutRequest{Value: make([]byte, 512<<10)})
	require.NoError(t, err)
	_, err = kv.Put(within(t), &etcdserverpb.PutRequest{Value: make([]byte, 512<<10+1000)})
	require.Equal(t, codes.ResourceExhausted, status.Code(err))

	post := func(size int) int {
		body := bytes.NewReader(append([]byte("\x12\x80\x80\x20"), make([]byte, size)...))
		answer, err := h1(t).Post("http://"+s.address+"/etcdserverpb.KV/Put", "application/proto", body)
		require.NoError(t, err)
		require.NoError(t, answer.Body.Close())
		return answer.StatusCode
	}
	require.Equal(t, http.StatusOK, post(512<<10))
	require.Equal(t, http.StatusTooManyRequests, post(512<<10+1000))
}

// Goal: what is no protocol of ours is refused and hurts nobody. Method: garbage, an incomplete request and an h2
// connection that ends in the middle of a frame, then a good request.
func TestGarbage(t *testing.T) {
	s := serve(t, fakeServices(), nil)
	for _, said := range []string{"\x00\x01\x02\x03 nonsense\r\n\r\n", "GET", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nnonsense"} {
		conn, err := net.Dial("tcp", s.address)
		require.NoError(t, err)
		_, err = io.WriteString(conn, said)
		require.NoError(t, err)
		require.NoError(t, conn.(*net.TCPConn).CloseWrite())
		require.NoError(t, conn.SetReadDeadline(time.Now().Add(testTime)))
		_, err = io.ReadAll(conn)
		var late net.Error
		require.False(t, errors.As(err, &late) && late.Timeout(), "the server did not end the connection after %q", said)
		require.NoError(t, conn.Close())
	}
	_, err := etcdserverpb.NewKVClient(dial(t, s.address)).Range(within(t), &etcdserverpb.RangeRequest{Key: []byte("k")})
	require.NoError(t, err)
}
