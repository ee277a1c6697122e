package moving

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/quoratedb/quorate/tests/harness"
)

// endsSoon is the time to live, in seconds, of what ends after the restore: longer than saving, restoring and starting take.
const endsSoon = 9

// listing is what v2 tells of a tree, but for the seconds that are left, which ends has by key.
type listing struct {
	index string
	nodes any
	ends  map[string]time.Time
}

// list reads a tree, and holds that each time to live is what is left until its end. There is none in what is not there.
func list(t *testing.T, s *harness.Server, path string) listing {
	t.Helper()
	asked := time.Now()
	response, err := http.Get(s.URL() + "/v2/keys" + path + "?recursive=true&sorted=true")
	require.NoError(t, err)
	defer response.Body.Close()
	if response.StatusCode == http.StatusNotFound {
		return listing{}
	}
	require.Equal(t, http.StatusOK, response.StatusCode, path)
	l := listing{index: response.Header.Get("X-Etcd-Index"), ends: map[string]time.Time{}}
	require.NoError(t, json.NewDecoder(response.Body).Decode(&l.nodes))
	l.takeEnds(t, asked, l.nodes.(map[string]any)["node"].(map[string]any))
	return l
}

// takeEnds takes them out of what was asked for at a moment: a time to live is told in whole seconds, begun ones in full.
func (l *listing) takeEnds(t *testing.T, asked time.Time, n map[string]any) {
	t.Helper()
	if expiration, has := n["expiration"].(string); has {
		ttl, _ := n["ttl"].(float64)
		delete(n, "ttl")
		end, err := time.Parse(time.RFC3339Nano, expiration)
		require.NoError(t, err)
		require.GreaterOrEqual(t, ttl, time.Until(end).Seconds(), "%v", n)
		require.Less(t, ttl, end.Sub(asked).Seconds()+1, "%v", n)
		l.ends[n["key"].(string)] = end
	}
	children, _ := n["nodes"].([]any)
	for _, child := range children {
		l.takeEnds(t, asked, child.(map[string]any))
	}
}

// fillTree writes something of everything that v2 has.
func fillTree(t *testing.T, s *harness.Server) {
	t.Helper()
	for _, n := range []struct {
		path string
		form url.Values
	}{
		{"/app/plain", url.Values{"value": {"first"}}},
		{"/app/plain", url.Values{"value": {"second"}}},
		{"/app/empty", url.Values{"dir": {"true"}}},
		{"/app/long", url.Values{"value": {"x"}, "ttl": {"7200"}}},
		{"/leased", url.Values{"dir": {"true"}, "ttl": {"3600"}}},
		{"/leased/child", url.Values{"value": {"y"}}},
		{"/_hidden/secret", url.Values{"value": {"z"}}},
		{"/app/_own", url.Values{"value": {"hidden, too"}}},
		{"/soondir/child", url.Values{"value": {"gone with it"}}},
	} {
		ask(t, s, http.MethodPut, n.path, n.form)
	}
	for range 3 {
		ask(t, s, http.MethodPost, "/queue", url.Values{"value": {"job"}})
	}
	ask(t, s, http.MethodPost, "/queue", url.Values{"value": {"short job"}, "ttl": {"1800"}})
	ask(t, s, http.MethodPut, "/soondir?prevExist=true", url.Values{"dir": {"true"}, "ttl": {fmt.Sprint(endsSoon)}})
	ask(t, s, http.MethodPut, "/soon", url.Values{"value": {"gone"}, "ttl": {fmt.Sprint(endsSoon)}})
}

// Goal: v2's keys and directories, hidden ones and those in order among them, come through a snapshot of ours into ours with their indexes, and end when they
// would have; the index of the store goes on, so that comparisons by index hold and names in order stay in order. Method: a snapshot that quoratectl saves and
// quorateutl restores; all that v2 tells before and after is compared, then what ends soon does, and more is written.
func TestTreeComesThroughASnapshot(t *testing.T) {
	p := built(t)
	quoratectl, err := harness.Make("build", "bin/quoratectl")
	require.NoError(t, err)
	first := restored(t, p.quorate, "", "")
	fillTree(t, first)
	paths := []string{"/soondir", "/soon", "/app", "/app/_own", "/_hidden", "/leased", "/queue"}
	want, ends := map[string]listing{}, map[string]time.Time{}
	for _, path := range paths {
		want[path] = list(t, first, path)
		maps.Copy(ends, want[path].ends)
	}
	require.Len(t, ends, 5)
	saved := filepath.Join(t.TempDir(), "tree.db")
	said, err := exec.CommandContext(t.Context(), quoratectl, "--endpoints="+first.Endpoint(), "snapshot", "save", saved).CombinedOutput()
	require.NoError(t, err, "%s", said)
	first.Kill()

	second := restored(t, p.quorate, p.quorateutl, saved)
	got := map[string]listing{}
	for _, path := range slices.Backward(paths) { // what ends soon is the last
		got[path] = list(t, second, path)
	}
	sameTrees(t, want, got)
	// Until here nobody has written, but for what may have ended.
	plain, index := ask(t, second, http.MethodPut, fmt.Sprintf("/app/plain?prevIndex=%d", indexOf(t, second, "/app/plain")), url.Values{"value": {"third"}})
	require.Equal(t, "third", plain.Value)
	next, nextIndex := ask(t, second, http.MethodPost, "/queue", url.Values{"value": {"job"}})
	require.Greater(t, nextIndex, index)
	jobs, _ := ask(t, second, http.MethodGet, "/queue?sorted=true", nil)
	require.Len(t, jobs.Nodes, 5)
	require.Equal(t, next.Key, jobs.Nodes[4].Key)

	soon := ends["/soon"]
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		for _, path := range []string{"/soon", "/soondir", "/soondir/child"} {
			response, err := http.Get(second.URL() + "/v2/keys" + path)
			if assert.NoError(c, err) {
				response.Body.Close()
				assert.Equal(c, http.StatusNotFound, response.StatusCode, path)
			}
		}
	}, time.Minute, 100*time.Millisecond)
	require.False(t, time.Now().Before(soon), "it has ended early")
	delete(ends, "/soon")
	delete(ends, "/soondir")
	require.Equal(t, ends, list(t, second, "/").ends)
}

// sameTrees holds that two stores tell the same, but for what has ended at its time by now, on a machine that has more to do: then the index of the store has
// gone on, too.
func sameTrees(t *testing.T, want, got map[string]listing) {
	t.Helper()
	over := false
	for path, wanted := range want {
		if end, ends := wanted.ends[path]; ends && got[path].nodes == nil {
			require.False(t, time.Now().Before(end), path)
			got[path], over = wanted, true
		}
	}
	for path, wanted := range want {
		told := got[path]
		if over {
			told.index = wanted.index
		}
		require.Equal(t, wanted, told, path)
	}
}

// indexOf is the index at which a node was changed last.
func indexOf(t *testing.T, s *harness.Server, path string) uint64 {
	t.Helper()
	_, index := ask(t, s, http.MethodGet, path, nil)
	return index
}
