package v2

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/quoratedb/quorate/tests/harness"
)

// Goal: a deep path costs nobody more than it is long: one of 120 KB once wrote two gigabytes on every member, and did so again
// at each start. Method: every verb with a path that is too deep is refused before it reaches the log, of which nothing but the puts beside it is applied;
// the deepest that may be works.
func TestDeepPathIsRefused(t *testing.T) {
	s, server := own(t)
	// The log's index would count what the store writes of its own accord, such as the lease epoch once it serves.
	applied := func() (commands float64) {
		for _, success := range []string{"true", "false"} {
			commands += harness.Metric(t, server, `etcd_server_apply_duration_seconds_count{op="Tree",success="`+success+`",version="v3"}`)
		}
		return commands
	}
	for _, path := range []string{"d" + strings.Repeat("/a", 1000), strings.Repeat("a", 5000)} {
		s.put("k", "value=1")
		before := applied()
		require.Positive(t, before)
		for _, method := range []string{http.MethodPut, http.MethodPost, http.MethodDelete, http.MethodGet} {
			a := s.do(method, path, "")
			require.Equal(t, http.StatusBadRequest, a.status, "%s: %.200s", method, a.body)
			require.Equal(t, 209, a.ErrorCode)
			require.Equal(t, "a path has at most 64 names and 4096 bytes", a.Cause)
		}
		require.Equal(t, http.StatusBadRequest, s.get(path, "wait=true").status)
		s.put("k", "value=1") // whatever was in the log before it is applied, too
		require.Equal(t, before+1, applied())
	}
	deepest := "d" + strings.Repeat("/a", 62)
	require.Equal(t, http.StatusCreated, s.put(deepest, "value=1").status)
	require.Equal(t, http.StatusOK, s.get(deepest, "").status)
	require.Equal(t, http.StatusOK, s.delete("d", "recursive=true").status)
}

// Goal: what a v3 client may write never makes v2 answer with its square. Method: a key of 20 KB that would be ten thousand
// directories is in no tree, and listing what is around it takes no notice.
func TestDeepV3KeyIsInNoTree(t *testing.T) {
	s, server := own(t)
	client, err := clientv3.New(clientv3.Config{Endpoints: []string{server.Endpoint()}, Context: harness.Context(t)})
	require.NoError(t, err)
	defer client.Close()
	_, err = client.Put(harness.Context(t), s.key("d")+strings.Repeat("/a", 10_000), "v")
	require.NoError(t, err)
	_, err = client.Put(harness.Context(t), s.key("d")+"/f", "v")
	require.NoError(t, err)
	a := s.get("d", "recursive=true")
	require.Equal(t, http.StatusOK, a.status)
	require.Len(t, a.Node.Nodes, 1)
	require.Less(t, len(a.body), 1000)
}

// Goal: the value that a change compares with counts against the size of a request as the value does: it stands in the log too.
func TestPrevValueCountsAsPartOfTheRequest(t *testing.T) {
	s := open(t)
	a := s.put("k", "value=1&prevValue="+strings.Repeat("x", 2<<20))
	require.Equal(t, http.StatusBadRequest, a.status, "%.200s", a.body)
	require.Equal(t, 210, a.ErrorCode)
	require.Equal(t, "etcdserver: request is too large", a.Cause)
}
