package wires

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/protobuf/proto"

	"github.com/quoratedb/quorate/tests/harness"
)

func b64(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

// Goal: curl is enough to use the store. Method: put, range, txn, delete and a refusal in JSON, over HTTP/1.1 and HTTP/2.
func TestConnectJSON(t *testing.T) {
	ours(t)
	for name, client := range map[string]*http.Client{"http/1.1": http.DefaultClient, "http/2": http2()} {
		t.Run(name, func(t *testing.T) {
			key := b64("json/" + name)
			code, answer := call(t, client, "KV/Put", `{"key":"`+key+`","value":"`+b64("bar")+`"}`)
			require.Equal(t, 200, code, answer)
			revision := answer["header"].(map[string]any)["revision"]
			require.NotEmpty(t, revision)

			code, answer = call(t, client, "KV/Range", `{"key":"`+key+`"}`)
			require.Equal(t, 200, code)
			kv := answer["kvs"].([]any)[0].(map[string]any)
			require.Equal(t, []any{key, b64("bar"), revision, "1"}, []any{kv["key"], kv["value"], kv["modRevision"], kv["version"]})
			require.Equal(t, "1", answer["count"])

			code, answer = call(t, client, "KV/Txn", `{"compare":[{"target":"VERSION","key":"`+key+`","version":"1"}],
				"success":[{"requestDeleteRange":{"key":"`+key+`"}}]}`)
			require.Equal(t, 200, code)
			require.Equal(t, true, answer["succeeded"])

			code, answer = call(t, client, "KV/Range", `{}`)
			require.Equal(t, 400, code)
			require.Equal(t, "invalid_argument", answer["code"])
			require.Equal(t, "etcdserver: key is not provided", answer["message"])

			code, answer = call(t, client, "Lease/LeaseRevoke", `{"ID":"987654"}`)
			require.Equal(t, 404, code)
			require.Equal(t, "not_found", answer["code"])
			require.Equal(t, "etcdserver: requested lease not found", answer["message"])
		})
	}
}

// Goal: a watch works over Connect. Method: one stream both ways in JSON over HTTP/2: create, an event, cancel.
func TestConnectWatch(t *testing.T) {
	ours(t)
	client := http2()
	requests, send := io.Pipe()
	defer send.Close()
	request, err := http.NewRequestWithContext(harness.Context(t), http.MethodPost, shared.URL()+"/etcdserverpb.Watch/Watch", requests)
	require.NoError(t, err)
	request.Header.Set("Content-Type", "application/connect+json")
	write := func(message string) {
		_, err := io.WriteString(send, frame(message))
		require.NoError(t, err)
	}
	go func() {
		_, _ = io.WriteString(send, frame(`{"createRequest":{"key":"`+b64("watched")+`"}}`))
	}()
	resp, err := client.Do(request)
	require.NoError(t, err)
	defer resp.Body.Close()
	require.Equal(t, 200, resp.StatusCode)
	read := func() map[string]any {
		_, message := readFrame(t, resp.Body)
		answer := map[string]any{}
		require.NoError(t, json.Unmarshal([]byte(message), &answer))
		return answer
	}
	require.Equal(t, true, read()["created"])
	_, _ = call(t, client, "KV/Put", `{"key":"`+b64("watched")+`","value":"`+b64("seen")+`"}`)
	event := read()["events"].([]any)[0].(map[string]any)
	require.Equal(t, b64("seen"), event["kv"].(map[string]any)["value"])
	write(`{"cancelRequest":{"watchId":"0"}}`)
	require.Equal(t, true, read()["canceled"])
}

// Goal: a stream from the server works over HTTP/1.1 too. Method: RangeStream in JSON; the last frame is the end without an error.
func TestConnectServerStream(t *testing.T) {
	ours(t)
	_, _ = call(t, http.DefaultClient, "KV/Put", `{"key":"`+b64("streamed")+`","value":"`+b64("v")+`"}`)
	request, err := http.NewRequestWithContext(harness.Context(t), http.MethodPost, shared.URL()+"/etcdserverpb.KV/RangeStream",
		strings.NewReader(frame(`{"key":"`+b64("streamed")+`"}`)))
	require.NoError(t, err)
	request.Header.Set("Content-Type", "application/connect+json")
	resp, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer resp.Body.Close()
	var body string
	for {
		flags, message := readFrame(t, resp.Body)
		if flags&2 != 0 {
			require.NotContains(t, message, "error")
			break
		}
		body += message
	}
	require.Contains(t, body, b64("streamed"))
}

// Goal: gRPC-Web works, as browsers speak it. Method: one call by hand over HTTP/1.1; the trailer is a frame of the body.
func TestGRPCWeb(t *testing.T) {
	ours(t)
	_, _ = call(t, http.DefaultClient, "KV/Put", `{"key":"`+b64("web")+`","value":"`+b64("v")+`"}`)
	message, err := proto.Marshal(&pb.RangeRequest{Key: []byte("web")})
	require.NoError(t, err)
	request, err := http.NewRequestWithContext(harness.Context(t), http.MethodPost, shared.URL()+"/etcdserverpb.KV/Range", strings.NewReader(frame(string(message))))
	require.NoError(t, err)
	request.Header.Set("Content-Type", "application/grpc-web+proto")
	resp, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer resp.Body.Close()
	_, body := readFrame(t, resp.Body)
	var answer pb.RangeResponse
	require.NoError(t, proto.Unmarshal([]byte(body), &answer))
	require.Equal(t, "v", string(answer.Kvs[0].Value))
	flags, trailer := readFrame(t, resp.Body)
	require.EqualValues(t, 0x80, flags)
	require.Contains(t, strings.ToLower(trailer), "grpc-status: 0")
}
