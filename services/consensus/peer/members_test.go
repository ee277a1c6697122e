package peer

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

func get(t *testing.T, url string) (*http.Response, string) {
	t.Helper()
	transport := &http.Transport{DisableKeepAlives: true}
	response, err := (&http.Client{Transport: transport}).Get(url)
	require.NoError(t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response, string(body)
}

// Goal: whoever wants to join learns who the members are, as from etcd, and our own client reads it. Method: look at the
// JSON, then fetch it through a list of URLs of which only one answers.
func TestMembersAreTold(t *testing.T) {
	a := startNode(t, 0xa, nodeOptions{config: func(c *Config) { c.EtcdVersion = "3.7.1" }})
	const id = 0xfedcba9876543210 // more than a float64 holds
	members := []*consensusv1.Member{
		{Id: id, Name: "one", PeerUrls: []string{"http://127.0.0.1:1"}, ClientUrls: []string{"http://127.0.0.1:2"}},
		{Id: 0xb, PeerUrls: []string{"http://127.0.0.1:3", "http://127.0.0.1:4"}, IsLearner: true},
	}
	a.SetPeers(members)
	response, body := get(t, a.url()+"/members")
	require.Equal(t, "c1", response.Header.Get("X-Etcd-Cluster-ID"))
	require.JSONEq(t, `[
		{"id": 18364758544493064720, "name": "one", "peerURLs": ["http://127.0.0.1:1"], "clientURLs": ["http://127.0.0.1:2"]},
		{"id": 11, "peerURLs": ["http://127.0.0.1:3", "http://127.0.0.1:4"], "isLearner": true}]`, body)

	garbage := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "[]") }))
	defer garbage.Close()
	cluster, fetched, err := FetchMembers(t.Context(), []string{"http://127.0.0.1:1", garbage.URL, a.url() + "/"}, nil, nil)
	require.NoError(t, err)
	require.Equal(t, uint64(testCluster), cluster)
	require.Len(t, fetched, len(members))
	for i := range members {
		require.True(t, proto.Equal(members[i], fetched[i]), "%v", fetched[i])
	}

	_, _, err = FetchMembers(t.Context(), []string{"http://127.0.0.1:1", garbage.URL}, nil, nil)
	require.ErrorContains(t, err, "127.0.0.1:1")
	require.ErrorContains(t, err, "no cluster id")
	_, _, err = FetchMembers(t.Context(), nil, nil, nil)
	require.ErrorContains(t, err, "no URL")

	_, body = get(t, a.url()+"/version")
	version := map[string]string{}
	require.NoError(t, json.Unmarshal([]byte(body), &version))
	require.Equal(t, "3.7.1", version["etcdserver"])
	a.halt()
	_, _, err = FetchMembers(t.Context(), []string{a.url()}, nil, nil)
	require.ErrorContains(t, err, "starting or stopping")
}

// Goal: what is mounted serves members and nobody else. Method: call it through a member's client, without a wire.Greeting,
// and from a member that was removed.
func TestMountedHandlersServeMembersOnly(t *testing.T) {
	a, b := startNode(t, 0xa, nodeOptions{}), startNode(t, 0xb, nodeOptions{})
	a.Mount("POST /quorate.test.v1/", http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		_, _ = io.WriteString(w, strings.ToUpper(string(body)))
	}))
	introduce(a, b)
	call := func() (int, string) {
		response, err := b.HTTPClient(0xa).Post(a.url()+"/quorate.test.v1/Method", "text/plain", strings.NewReader("hello"))
		require.NoError(t, err)
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		return response.StatusCode, string(body)
	}
	status, body := call()
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, "HELLO", body)

	response, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Post(a.url()+"/quorate.test.v1/Method", "text/plain", nil)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Equal(t, http.StatusBadRequest, response.StatusCode)

	a.SetRemoved([]uint64{0xb}) // a member is not removed by an old list
	status, _ = call()
	require.Equal(t, http.StatusOK, status)
	a.SetPeers(listed(a))
	status, body = call()
	require.Equal(t, http.StatusGone, status)
	require.Contains(t, body, "removed")
	b.halt()
	_, err = b.HTTPClient(0xa).Get(a.url())
	require.Error(t, err)
}

// Goal: everything that is wrong with a configuration is told at once. Method: three mistakes.
func TestConfigurationIsChecked(t *testing.T) {
	_, err := New(Config{ElectionTimeout: -1, SnapshotBytesPerSecond: 5, AdvertiseURLs: []string{"ftp://x:1", "http://nowhere"}})
	for _, part := range []string{"-1ns", "5 bytes", "ftp://x:1", "http://nowhere"} {
		require.ErrorContains(t, err, part)
	}
	made, err := New(Config{})
	require.NoError(t, err)
	require.Equal(t, int64(SnapshotBytesPerSecondDefault), made.cfg.SnapshotBytesPerSecond)
}
