package moving

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/quoratedb/quorate/tests/harness"
)

// Goal: a store is copied to the other kind while it is written to, each revision of the source is found at the destination by the map, and all of it goes the
// other way too. Method: make-mirror from etcd to Quorate, and from there to another etcd; what is there at a mapped revision is compared.
func TestMirrorMapsRevisions(t *testing.T) {
	p := built(t)
	tool := toolOf(t, "quoratectl")
	from, to, back := restored(t, p.etcd, "", ""), restored(t, p.quorate, "", ""), restored(t, p.etcd, "", "")
	source := dial(t, from, "", "")
	first, err := source.Put(t.Context(), "before", "1")
	require.NoError(t, err)
	mirrored := func(a, b *harness.Server) string {
		lines := filepath.Join(t.TempDir(), "map")
		mirror := exec.CommandContext(t.Context(), tool, "--endpoints", a.Endpoint(), "make-mirror", "--revision-map", lines, b.Endpoint())
		require.NoError(t, mirror.Start())
		t.Cleanup(func() { _ = mirror.Process.Kill(); _ = mirror.Wait() })
		return lines
	}
	lines := mirrored(from, to)
	mirrored(to, back)
	at := map[int64]int64{}
	await := func(revision int64) {
		require.Eventually(t, func() bool {
			content, _ := os.ReadFile(lines) // there is none in the beginning
			for line := range strings.Lines(string(content)) {
				var a, b int64
				if n, _ := fmt.Sscanf(line, "%d %d\n", &a, &b); n == 2 {
					at[a] = b
				}
			}
			return at[revision] != 0
		}, watchWithin, 50*time.Millisecond)
	}
	await(first.Header.Revision)
	for i := range 5 {
		_, err := source.Txn(t.Context()).Then(clientv3.OpPut("a", fmt.Sprint(i)), clientv3.OpPut(fmt.Sprint("b", i), "x")).Commit()
		require.NoError(t, err)
	}
	last, err := source.Delete(t.Context(), "before")
	require.NoError(t, err)
	await(last.Header.Revision)
	keys := func(c *clientv3.Client, revision int64) (all []string) {
		got, err := c.Get(t.Context(), "", clientv3.WithPrefix(), clientv3.WithRev(revision))
		require.NoError(t, err)
		for _, kv := range got.Kvs {
			all = append(all, fmt.Sprintf("%s=%s", kv.Key, kv.Value))
		}
		return all
	}
	require.Len(t, at, 7)
	destination := dial(t, to, "", "")
	for a, b := range at {
		require.Equal(t, keys(source, a), keys(destination, b), "revision %d, which is %d there", a, b)
	}
	returned := dial(t, back, "", "")
	require.Eventually(t, func() bool { return fmt.Sprint(keys(returned, 0)) == fmt.Sprint(keys(source, 0)) }, watchWithin, 100*time.Millisecond)
}
