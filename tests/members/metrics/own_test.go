package metrics

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	quoratev1 "github.com/quoratedb/quorate/pkg/gen/quorate/v1"
	"github.com/quoratedb/quorate/tests/harness"
)

// ownName is one of Quorate's own metrics as docs/metrics.md has it, with the labels of its series.
var ownName = regexp.MustCompile("`(quorate_[a-z0-9_]+)(?:\\{([a-zA-Z_,]+)\\})?`")

// described are the names that docs/metrics.md says of what they tell, each with its labels.
func described(t *testing.T) map[string][]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(harness.Root(), "docs", "metrics.md"))
	require.NoError(t, err)
	_, table, ok := strings.Cut(string(text), "## Quorate's own\n")
	require.True(t, ok)
	table, _, ok = strings.Cut(table, "\n## ")
	require.True(t, ok)
	found := map[string][]string{}
	for line := range strings.Lines(table) {
		cells := strings.Split(line, "|")
		if len(cells) < 4 {
			continue
		}
		for _, name := range ownName.FindAllStringSubmatch(cells[1], -1) {
			require.NotContains(t, found, name[1], "is described twice")
			labels := strings.FieldsFunc(name[2], func(r rune) bool { return r == ',' })
			slices.Sort(labels)
			found[name[1]] = labels
		}
	}
	return found
}

// everyKind are a node of each kind that measures something: members in one process with all that they can be told to measure, a proxy in front of them,
// the services apart, and a front.
func everyKind(t *testing.T) []*harness.Server {
	t.Helper()
	binary, err := harness.Binary()
	require.NoError(t, err)
	dir := t.TempDir()
	cluster := harness.NewCluster(harness.Config{Binary: binary, DataDir: dir, Args: []string{
		"--audit-log=" + filepath.Join(dir, "audit.log"), "--rate-limit-mode=permissive", "--rate-limit=writes=1",
	}}, 3)
	require.NoError(t, cluster.Start(harness.Context(t)))
	t.Cleanup(cluster.Kill)
	programs, err := harness.Make("build", "bin")
	require.NoError(t, err)
	apart := harness.NewApart(harness.ApartConfig{Programs: programs, DataDir: dir, Sizes: harness.Sizes{Consensus: 1, Lease: 1, Watch: 1, API: 1}})
	t.Cleanup(apart.All().Kill)
	require.NoError(t, apart.Start(harness.Context(t)))
	nodes := append(slices.Clone(cluster), apart.All()...)
	return append(nodes, harness.Proxy(t, cluster[0].Endpoint()), harness.Front(t, harness.FreePort()))
}

// Goal: whoever looks at a page finds in docs/metrics.md what each of Quorate's own names tells, and no name there is of nothing. Method: the pages of a
// node of each kind, in which a user is beyond its rate and a prefix beyond its quota, and the table of the page, with the labels that it has in braces.
func TestOwnMetricsAreDescribed(t *testing.T) {
	nodes := everyKind(t)
	client, ctx := harness.Client(t, nodes[0]), harness.Context(t)
	require.NoError(t, client.ActiveConnection().Invoke(ctx, "/quorate.v1.QuotaService/QuotaSet", &quoratev1.QuotaSetRequest{
		Prefix: []byte("few/"), Limits: &quoratev1.QuotaLimits{HardKeys: 1},
	}, &quoratev1.QuotaSetResponse{}))
	measured := map[string][]string{}
	for _, node := range nodes {
		for name, of := range scrape(t, node) {
			if strings.HasPrefix(name, "quorate_") && len(of.labels) >= len(measured[name]) {
				measured[name] = of.labels
			}
		}
	}
	documented := described(t)
	for _, name := range slices.Sorted(maps.Keys(measured)) {
		labels, ok := documented[name]
		if !ok {
			t.Errorf("%s is not in docs/metrics.md", name)
		} else if len(measured[name]) > 0 || len(labels) > 0 {
			require.Equal(t, measured[name], labels, "the labels of %s", name)
		}
	}
	for name := range documented {
		require.Contains(t, measured, name, "docs/metrics.md says what it tells, and nobody measures it")
	}
}
