package api

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/quoratedb/quorate/services/api/internal/etcdconnect/etcdserverpbconnect"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// testTime bounds what a test waits for.
const testTime = 20 * time.Second

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), testTime)
	t.Cleanup(cancel)
	return ctx
}

func dial(t *testing.T, address string) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// h1 and h2 are HTTP clients of one version each.
func h1(t *testing.T) *http.Client { return client(t, func(p *http.Protocols) { p.SetHTTP1(true) }) }

func h2(t *testing.T) *http.Client {
	return client(t, func(p *http.Protocols) { p.SetUnencryptedHTTP2(true) })
}

func client(t *testing.T, choose func(*http.Protocols)) *http.Client {
	t.Helper()
	protocols := new(http.Protocols)
	choose(protocols)
	transport := &http.Transport{Protocols: protocols}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// Goal: a real gRPC client is served. Method: one call of each kind, a refusal, and the health service.
func TestGRPC(t *testing.T) {
	conn := dial(t, serve(t, fakeServices(), nil).address)
	kv := etcdserverpb.NewKVClient(conn)

	got, err := kv.Range(within(t), &etcdserverpb.RangeRequest{Key: []byte("foo")})
	require.NoError(t, err)
	require.Equal(t, "foo", string(got.GetKvs()[0].GetKey()))

	_, err = kv.Range(within(t), &etcdserverpb.RangeRequest{})
	require.Equal(t, rpctypes.ErrGRPCEmptyKey.Error(), err.Error())

	chunks, err := kv.RangeStream(within(t), &etcdserverpb.RangeRequest{Key: []byte("foo")})
	require.NoError(t, err)
	for want := range 3 {
		chunk, err := chunks.Recv()
		require.NoError(t, err)
		require.EqualValues(t, want+1, chunk.GetRangeResponse().GetKvs()[0].GetVersion())
	}
	_, err = chunks.Recv()
	require.ErrorIs(t, err, io.EOF)

	watch, err := etcdserverpb.NewWatchClient(conn).Watch(within(t))
	require.NoError(t, err)
	require.NoError(t, watch.Send(create(9)))
	created, err := watch.Recv()
	require.NoError(t, err)
	require.EqualValues(t, 9, created.GetWatchId())
	require.True(t, created.GetCreated())
	require.NoError(t, watch.CloseSend())
	_, err = watch.Recv()
	require.ErrorIs(t, err, io.EOF)

	health, err := grpc_health_v1.NewHealthClient(conn).Check(within(t), &grpc_health_v1.HealthCheckRequest{})
	require.NoError(t, err)
	require.Equal(t, grpc_health_v1.HealthCheckResponse_SERVING, health.GetStatus())

	_, err = etcdserverpb.NewAuthClient(conn).AuthStatus(within(t), &etcdserverpb.AuthStatusRequest{})
	require.Equal(t, codes.Unimplemented, status.Code(err))
}

func create(id int64) *etcdserverpb.WatchRequest {
	return &etcdserverpb.WatchRequest{RequestUnion: &etcdserverpb.WatchRequest_CreateRequest{
		CreateRequest: &etcdserverpb.WatchCreateRequest{Key: []byte("foo"), WatchId: id},
	}}
}

// Goal: the same methods answer over every protocol of connect-go. Method: its own client, once for each protocol and
// encoding, on connections of its own.
func TestConnect(t *testing.T) {
	url := "http://" + serve(t, fakeServices(), nil).address
	for name, options := range map[string][]connect.ClientOption{
		"Connect":              nil,
		"Connect, JSON":        {connect.WithProtoJSON()},
		"Connect, gzip":        {connect.WithSendGzip()},
		"gRPC-Web":             {connect.WithGRPCWeb()},
		"gRPC-Web, JSON":       {connect.WithGRPCWeb(), connect.WithProtoJSON()},
		"gRPC through grpc-go": {connect.WithGRPC()},
	} {
		t.Run(name, func(t *testing.T) {
			kv := etcdserverpbconnect.NewKVClient(h2(t), url, options...)
			got, err := kv.Range(within(t), &etcdserverpb.RangeRequest{Key: []byte("foo")})
			require.NoError(t, err)
			require.Equal(t, "foo", string(got.GetKvs()[0].GetKey()))

			_, err = kv.Range(within(t), &etcdserverpb.RangeRequest{})
			var refused *connect.Error
			require.ErrorAs(t, err, &refused)
			require.Equal(t, connect.CodeInvalidArgument, refused.Code())
			require.Equal(t, "etcdserver: key is not provided", refused.Message())

			chunks, err := kv.RangeStream(within(t), &etcdserverpb.RangeRequest{Key: []byte("foo")})
			require.NoError(t, err)
			var versions []int64
			for chunks.Receive() {
				versions = append(versions, chunks.Msg().GetRangeResponse().GetKvs()[0].GetVersion())
			}
			require.NoError(t, chunks.Err())
			require.NoError(t, chunks.Close())
			require.Equal(t, []int64{1, 2, 3}, versions)

			watch, err := etcdserverpbconnect.NewWatchClient(h2(t), url, options...).Watch(within(t))
			require.NoError(t, err)
			require.NoError(t, watch.Send(create(9)))
			created, err := watch.Receive()
			require.NoError(t, err)
			require.EqualValues(t, 9, created.GetWatchId())
			require.True(t, created.GetCreated())
			require.NoError(t, watch.CloseRequest())
			_, err = watch.Receive()
			require.ErrorIs(t, err, io.EOF)
			require.NoError(t, watch.CloseResponse())
		})
	}
}

// Goal: curl works, by either version of HTTP. Method: the documented request, by plain HTTP clients.
func TestJSONByHand(t *testing.T) {
	url := "http://" + serve(t, fakeServices(), nil).address
	for name, client := range map[string]*http.Client{"HTTP/1.1": h1(t), "HTTP/2": h2(t)} {
		t.Run(name, func(t *testing.T) {
			answer, err := client.Post(url+"/etcdserverpb.KV/Range", "application/json", strings.NewReader(`{"key":"Zm9v"}`))
			require.NoError(t, err)
			body, err := io.ReadAll(answer.Body)
			require.NoError(t, err)
			require.NoError(t, answer.Body.Close())
			require.Equal(t, http.StatusOK, answer.StatusCode, string(body))
			require.JSONEq(t, `{"kvs":[{"key":"Zm9v","value":"dmFsdWU="}],"count":"1"}`, string(body))
		})
	}
}
