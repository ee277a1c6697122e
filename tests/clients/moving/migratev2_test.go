package moving

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/quoratedb/quorate/tests/harness"
)

// node is a node of an answer of v2's.
type node struct {
	Key, Value string
	Dir        bool
	TTL        int
	Nodes      []node
}

// ask makes a request of v2's and returns the answer's node, and v2's index of it.
func ask(t *testing.T, s *harness.Server, method, path string, form url.Values) (of node, index uint64) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, s.URL()+"/v2/keys"+path, strings.NewReader(form.Encode()))
	require.NoError(t, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	response, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	var answer struct {
		Node struct {
			node
			ModifiedIndex uint64
		}
	}
	require.NoError(t, json.Unmarshal(body, &answer), "%s", body)
	return answer.Node.node, answer.Node.ModifiedIndex
}

// tellTree lists all nodes below one, with what they hold and whether they end.
func tellTree(n node) (all []string) {
	for _, child := range n.Nodes {
		all = append(all, fmt.Sprintf("%s dir=%v ends=%v %q", child.Key, child.Dir, child.TTL > 0, child.Value))
		all = append(all, tellTree(child)...)
	}
	return all
}

// Goal: keys and directories of v2, with what they hold and when they end, come along, those in the log alone too; a path that v3 has too is listed,
// and v3's stays. Method: an etcd with the v2 API is killed; what it tells after a restart on a copy of its directory is compared with what ours tells.
func TestKeysOfV2ComeAlong(t *testing.T) {
	p := built(t)
	tried := false
	for _, binary := range etcds(p) {
		help, _ := exec.CommandContext(t.Context(), binary, "--help").CombinedOutput()
		if !strings.Contains(string(help), "--enable-v2 ") {
			continue
		}
		tried = true
		t.Run(filepath.Base(binary), func(t *testing.T) {
			etcd := harness.New(harness.Config{Binary: binary, DataDir: filepath.Join(t.TempDir(), "data"), Args: []string{"--enable-v2", "--snapshot-count=60"}})
			require.NoError(t, etcd.Start(t.Context()))
			t.Cleanup(etcd.Kill)
			for i := range 100 {
				ask(t, etcd, http.MethodPut, fmt.Sprintf("/many/%d", i%30), url.Values{"value": {fmt.Sprint(i)}})
			}
			ask(t, etcd, http.MethodPut, "/empty/dir", url.Values{"dir": {"true"}})
			ask(t, etcd, http.MethodPut, "/ending", url.Values{"dir": {"true"}, "ttl": {"3600"}})
			ask(t, etcd, http.MethodPut, "/ending/file", url.Values{"value": {"x"}})
			ask(t, etcd, http.MethodPut, "/short", url.Values{"value": {"y"}, "ttl": {"7200"}})
			for i := range 3 {
				ask(t, etcd, http.MethodPost, "/queue", url.Values{"value": {fmt.Sprint(i)}})
			}
			_, index := ask(t, etcd, http.MethodPut, "/swapped", url.Values{"value": {"old"}})
			ask(t, etcd, http.MethodPut, "/swapped", url.Values{"value": {"new"}, "prevIndex": {fmt.Sprint(index)}})
			ask(t, etcd, http.MethodPut, "/swapped", url.Values{"value": {"never"}, "prevIndex": {fmt.Sprint(index)}})
			ask(t, etcd, http.MethodPut, "/swapped", url.Values{"value": {"newest"}, "prevValue": {"new"}})
			ask(t, etcd, http.MethodPut, "/swapped", url.Values{"value": {"never"}, "prevExist": {"false"}})
			ask(t, etcd, http.MethodDelete, "/many/3", nil)
			ask(t, etcd, http.MethodPut, "/both", url.Values{"value": {"v2"}})
			ask(t, etcd, http.MethodPut, "/folder/file", url.Values{"value": {"v2"}})
			c := dial(t, etcd, "", "")
			for _, key := range []string{"/both", "/folder", "v3"} {
				_, err := c.Put(t.Context(), key, "v3")
				require.NoError(t, err)
			}
			etcd.Kill()

			killed := filepath.Join(t.TempDir(), "killed")
			require.NoError(t, os.CopyFS(killed, os.DirFS(etcd.DataDir())))
			require.NoError(t, etcd.Start(t.Context()))
			root, _ := ask(t, etcd, http.MethodGet, "/?recursive=true&sorted=true", nil)
			etcd.Kill()
			var want []string
			for _, line := range tellTree(root) {
				switch {
				case strings.HasPrefix(line, "/both "):
					line = `/both dir=false ends=false "v3"`
				case strings.HasPrefix(line, "/folder "):
					line = `/folder dir=false ends=false "v3"`
				case strings.HasPrefix(line, "/folder/"):
					continue
				}
				want = append(want, line)
			}
			require.Greater(t, len(want), 35)

			ours := migrated(t, p, killed)
			root, _ = ask(t, ours, http.MethodGet, "/?recursive=true&sorted=true", nil)
			require.Equal(t, want, tellTree(root))
			got, err := dial(t, ours, "", "").Get(t.Context(), "v3")
			require.NoError(t, err)
			require.EqualValues(t, 1, got.Count)

			said, err := exec.CommandContext(t.Context(), p.quorateutl, "migrate-from-etcd", killed, "--data-dir", filepath.Join(t.TempDir(), "again")).CombinedOutput()
			require.NoError(t, err)
			require.Contains(t, string(said), "conflict: v2's /both: v3 has it too")
			require.Contains(t, string(said), "conflict: v2's /folder/file: v3 has a key /folder")
		})
	}
	if !tried {
		t.Skip("no etcd here has the v2 API: make moving has")
	}
}
