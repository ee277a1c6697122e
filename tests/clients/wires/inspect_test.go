package wires

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"

	quoratev1 "github.com/quoratedb/quorate/pkg/gen/quorate/v1"
	"github.com/quoratedb/quorate/tests/harness"
)

// Goal: what is below a prefix, what a key was and what was deleted is shown to curl and over gRPC, as far as compaction allows, and what makes no
// sense is refused with a text that says why. Method: a server, etcd's client for the writes, JSON and gRPC for the looks.
func TestInspect(t *testing.T) {
	ours(t)
	ctx := harness.Context(t)
	s := harness.Run(t)
	client := harness.Client(t, s)
	look := func(method, body string) (int, map[string]any) {
		t.Helper()
		request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL()+"/quorate.v1.InspectService/"+method, strings.NewReader(body))
		require.NoError(t, err)
		request.Header.Set("Content-Type", "application/json")
		resp, err := http.DefaultClient.Do(request)
		require.NoError(t, err)
		defer resp.Body.Close()
		answer := map[string]any{}
		require.NoError(t, json.NewDecoder(resp.Body).Decode(&answer))
		return resp.StatusCode, answer
	}
	for _, key := range []string{"/a/1", "/a/2", "/b"} { // revisions 2 to 4
		_, err := client.Put(ctx, key, "value")
		require.NoError(t, err)
	}
	code, answer := look("Children", `{"prefix":"`+b64("/")+`","delimiter":"`+b64("/")+`","count":true,"size":true}`)
	require.Equal(t, 200, code, answer)
	require.Equal(t, "4", answer["revision"])
	children := answer["children"].([]any)
	require.Len(t, children, 2)
	require.Equal(t, map[string]any{"name": b64("/a/"), "folded": true, "keys": "2", "bytes": "18"}, children[0])
	require.Equal(t, map[string]any{"name": b64("/b"), "createRevision": "4", "modRevision": "4", "version": "1", "keys": "1", "bytes": "7"}, children[1])

	_, err := client.Put(ctx, "/b", "newer")
	require.NoError(t, err)
	_, err = client.Delete(ctx, "/", clientv3.WithPrefix()) // 6
	require.NoError(t, err)
	history := &quoratev1.HistoryResponse{}
	inspect := func(method string, request, response any) error {
		return client.ActiveConnection().Invoke(ctx, "/quorate.v1.InspectService/"+method, request, response)
	}
	require.NoError(t, inspect("History", &quoratev1.HistoryRequest{Key: []byte("/b"), WithValues: true}, history))
	require.Len(t, history.GetVersions(), 3)
	require.True(t, history.GetVersions()[0].GetDeleted())
	require.Equal(t, "newer", string(history.GetVersions()[1].GetValue()))
	require.NotZero(t, history.GetVersions()[2].GetTimeUnixNano())
	deleted := &quoratev1.DeletedResponse{}
	require.NoError(t, inspect("Deleted", &quoratev1.DeletedRequest{Prefix: []byte("/a/")}, deleted))
	require.Len(t, deleted.GetKeys(), 2)
	require.Equal(t, int64(6), deleted.GetKeys()[0].GetRevision())
	changes := &quoratev1.ChangesResponse{}
	require.NoError(t, inspect("Changes", &quoratev1.ChangesRequest{Prefix: []byte("/a/"), Limit: 1}, changes))
	require.Len(t, changes.GetChanges(), 1)
	require.Equal(t, int64(6), changes.GetChanges()[0].GetRevision())
	require.Equal(t, int64(2), changes.GetChanges()[0].GetDeleted())
	require.Len(t, changes.GetChanges()[0].GetKeys(), 2)

	_, err = client.Compact(ctx, 6)
	require.NoError(t, err)
	code, answer = look("Children", `{"revision":"5"}`)
	require.Equal(t, 400, code, answer)
	require.Equal(t, "etcdserver: mvcc: required revision has been compacted", answer["message"])
	code, answer = look("Deleted", `{}`)
	require.Equal(t, 200, code, answer)
	require.Empty(t, answer["keys"])
	require.Equal(t, "6", answer["compactedRevision"])

	for _, c := range []struct{ method, body, text string }{
		{"History", `{}`, "quorate: the key whose history is asked for is empty"},
		{"History", `{"key":"YQ==","limit":"-1"}`, "quorate: limit and before are not below 0"},
		{"Children", `{"prefix":"YQ==","after":"Yg=="}`, `quorate: after, "b", does not begin with the prefix, "a"`},
		{"Children", `{"delimiter":"` + b64(strings.Repeat("/", 65)) + `"}`, "quorate: the delimiter has 65 bytes, it may have 64"},
		{"Deleted", `{"beforeSub":"-1"}`, "quorate: limit, since_revision, before_revision and before_sub are not below 0"},
	} {
		code, answer := look(c.method, c.body)
		require.Equal(t, 400, code, c.body)
		require.Equal(t, c.text, answer["message"])
	}
}
