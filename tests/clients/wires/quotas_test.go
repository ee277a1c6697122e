package wires

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	quoratev1 "github.com/quoratedb/quorate/pkg/gen/quorate/v1"
	"github.com/quoratedb/quorate/tests/harness"
)

// ask sends one JSON request to a service of ours.
func ask(t *testing.T, s *harness.Server, method, body string) (int, map[string]any) {
	t.Helper()
	request, err := http.NewRequestWithContext(harness.Context(t), http.MethodPost, s.URL()+"/quorate.v1.QuotaService/"+method, strings.NewReader(body))
	require.NoError(t, err)
	request.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer resp.Body.Close()
	answer := map[string]any{}
	require.NoError(t, json.NewDecoder(resp.Body).Decode(&answer))
	return resp.StatusCode, answer
}

// Goal: a quota of a prefix is set with curl or over gRPC, counts what is there, and what would lead beyond it is refused on every wire with a
// text that says prefix, limit and use; net effects count, deletions pass, a lower limit says that it is passed; a restart keeps it all.
// Method: a server, etcd's client, the v2 API, curl's requests, kill -9.
func TestQuotaByPrefix(t *testing.T) {
	ours(t)
	ctx := harness.Context(t)
	s := harness.Run(t)
	client := harness.Client(t, s)
	for _, key := range []string{"/a/1", "/a/2"} {
		_, err := client.Put(ctx, key, "12345")
		require.NoError(t, err)
	}
	code, answer := ask(t, s, "QuotaSet", `{"prefix":"`+b64("/a/")+`","limits":{"softKeys":2,"hardKeys":3}}`)
	require.Equal(t, 200, code, answer)
	quota := answer["quota"].(map[string]any)
	require.Equal(t, []any{"2", "18", nil}, []any{quota["keys"], quota["bytes"], quota["counting"]})
	set := &quoratev1.QuotaSetResponse{}
	require.NoError(t, client.ActiveConnection().Invoke(ctx, "/quorate.v1.QuotaService/QuotaSet", &quoratev1.QuotaSetRequest{
		Prefix: []byte("/"), Limits: &quoratev1.QuotaLimits{HardBytes: 40},
	}, set))
	require.Equal(t, int64(18), set.GetQuota().GetBytes())

	_, err := client.Put(ctx, "/a/3", "12345")
	require.NoError(t, err)
	const keys = `quorate: prefix quota exceeded: prefix "/a/" has 3 of 3 keys in use, this would be 1 more`
	refused := func(text string) {
		t.Helper()
		_, err := pb.NewKVClient(client.ActiveConnection()).Put(ctx, &pb.PutRequest{Key: []byte("/a/4")})
		require.Equal(t, codes.ResourceExhausted, status.Code(err))
		require.Equal(t, text, status.Convert(err).Message())
	}
	refused(keys)
	code, answer = postTo(t, s.URL()+"/v3/kv/put", `{"key":"`+b64("/a/4")+`"}`)
	require.Equal(t, 429, code, answer)
	require.Equal(t, keys, answer["message"])
	code, answer = putV2(t, s.URL()+"/v2/keys/a/4", "12345")
	require.Equal(t, 500, code, answer)
	require.Contains(t, answer["cause"], keys)
	_, err = client.Put(ctx, "/b", "12345678901234567890")
	require.ErrorContains(t, err, `prefix "/" has 27 of 40 bytes in use, this would be 22 more`)

	moved, err := client.Txn(ctx).Then(clientv3.OpDelete("/a/1"), clientv3.OpPut("/a/4", "12345")).Commit()
	require.NoError(t, err, "as many keys as before")
	require.True(t, moved.Succeeded)
	code, answer = ask(t, s, "QuotaSet", `{"prefix":"`+b64("/a/")+`","limits":{"hardKeys":1}}`)
	require.Equal(t, 200, code, answer)
	require.Equal(t, true, answer["quota"].(map[string]any)["hardExceeded"])

	s.Kill()
	require.NoError(t, s.Start(ctx))
	code, answer = ask(t, s, "QuotaList", `{}`)
	require.Equal(t, 200, code, answer)
	listed := answer["quotas"].([]any)
	require.Len(t, listed, 2)
	require.Equal(t, b64("/"), listed[0].(map[string]any)["prefix"])
	require.Equal(t, "3", listed[1].(map[string]any)["keys"])
	require.Contains(t, get(t, s.URL()+"/metrics"), `quorate_prefix_quota_use{prefix="/a/",unit="keys"} 3`)

	_, err = client.Delete(ctx, "/a/", clientv3.WithPrefix())
	require.NoError(t, err)
	_, err = client.Put(ctx, "/a/4", "12345")
	require.NoError(t, err)
	code, answer = ask(t, s, "QuotaDelete", `{"prefix":"`+b64("/a/")+`"}`)
	require.Equal(t, 200, code, answer)
	_, err = client.Put(ctx, "/a/5", "")
	require.NoError(t, err)
}

// Goal: a quota that makes no sense is refused, and the answer says why. Method: curl's requests, by table.
func TestQuotaThatMakesNoSense(t *testing.T) {
	ours(t)
	for _, c := range []struct {
		method, body string
		code         int
		text         string
	}{
		{"QuotaSet", `{"prefix":"YQ=="}`, 400, "quorate: a quota needs a limit: soft_keys, soft_bytes, hard_keys or hard_bytes"},
		{"QuotaSet", `{"limits":{"hardKeys":-1}}`, 400, "quorate: a limit is below 0; 0 stands for none"},
		{"QuotaSet", `{"limits":{"hardKeys":1,"softKeys":2}}`, 400, "quorate: soft_keys, 2, is above hard_keys, 1"},
		{"QuotaSet", `{"limits":{"hardBytes":1,"softBytes":2}}`, 400, "quorate: soft_bytes, 2, is above hard_bytes, 1"},
		{"QuotaSet", `{"prefix":"` + b64(strings.Repeat("a", 1025)) + `","limits":{"hardKeys":1}}`, 400, "quorate: the prefix has 1025 bytes, a quota's may have 1024"},
		{"QuotaDelete", `{"prefix":"bm90aGluZw=="}`, 404, "quorate: prefix quota not found"},
	} {
		code, answer := ask(t, shared, c.method, c.body)
		require.Equal(t, c.code, code, c.body)
		require.Equal(t, c.text, answer["message"])
	}
}

func postTo(t *testing.T, where, body string) (int, map[string]any) {
	t.Helper()
	request, err := http.NewRequestWithContext(harness.Context(t), http.MethodPost, where, strings.NewReader(body))
	require.NoError(t, err)
	return answerOf(t, request)
}

func putV2(t *testing.T, where, value string) (int, map[string]any) {
	t.Helper()
	form := url.Values{"value": {value}}.Encode()
	request, err := http.NewRequestWithContext(harness.Context(t), http.MethodPut, where, strings.NewReader(form))
	require.NoError(t, err)
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return answerOf(t, request)
}

func answerOf(t *testing.T, request *http.Request) (int, map[string]any) {
	t.Helper()
	resp, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer resp.Body.Close()
	answer := map[string]any{}
	require.NoError(t, json.NewDecoder(resp.Body).Decode(&answer))
	return resp.StatusCode, answer
}

func get(t *testing.T, where string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(harness.Context(t), http.MethodGet, where, nil)
	require.NoError(t, err)
	resp, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return string(body)
}
