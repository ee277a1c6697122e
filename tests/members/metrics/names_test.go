package metrics

import (
	"context"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/quoratedb/quorate/tests/harness"
)

// family is what a page of metrics says of one.
type family struct {
	kind string
	// labels are the names that any of its series has, but for those of histograms.
	labels []string
	// values are by the labels as they are written.
	values map[string]float64
}

var (
	kindLine   = regexp.MustCompile(`^# TYPE (\S+) (\S+)$`)
	sampleLine = regexp.MustCompile(`^([a-zA-Z0-9_:]+)(?:\{(.*)\})? (\S+)$`)
	labelName  = regexp.MustCompile(`([a-zA-Z_]+)="`)
	suffix     = regexp.MustCompile(`_(bucket|sum|count)$`)
)

// scrape reads the page of a member.
func scrape(t *testing.T, s *harness.Server) map[string]*family {
	t.Helper()
	request, err := http.NewRequestWithContext(harness.Context(t), http.MethodGet, s.URL()+"/metrics", nil)
	require.NoError(t, err)
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	page, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	found := map[string]*family{}
	for line := range strings.Lines(string(page)) {
		line = strings.TrimSpace(line)
		if kind := kindLine.FindStringSubmatch(line); kind != nil {
			found[kind[1]] = &family{kind: kind[2], values: map[string]float64{}}
			continue
		}
		sample := sampleLine.FindStringSubmatch(line)
		if sample == nil {
			continue
		}
		of := found[sample[1]]
		if of == nil {
			of = found[suffix.ReplaceAllString(sample[1], "")]
		}
		require.NotNil(t, of, "%s has no type", sample[1])
		for _, label := range labelName.FindAllStringSubmatch(sample[2], -1) {
			if label[1] != "le" && !slices.Contains(of.labels, label[1]) {
				of.labels = append(of.labels, label[1])
			}
		}
		value, err := strconv.ParseFloat(sample[3], 64)
		require.NoError(t, err)
		of.values[sample[1]+"{"+sample[2]+"}"] = value
	}
	for _, of := range found {
		slices.Sort(of.labels)
	}
	return found
}

// absent are the names that docs/metrics.md gives a reason for not having.
func absent(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(harness.Root(), "docs", "metrics.md"))
	require.NoError(t, err)
	_, table, ok := strings.Cut(string(text), "## What etcd measures and Quorate does not\n")
	require.True(t, ok)
	var names []string
	for line := range strings.Lines(table) {
		cells := strings.Split(line, "|")
		if len(cells) < 4 || !strings.Contains(cells[1], "`") {
			continue
		}
		require.NotEmpty(t, strings.TrimSpace(cells[2]), line)
		for _, name := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(cells[1], -1) {
			names = append(names, name[1])
		}
	}
	return names
}

// members starts three members of a program.
func members(t *testing.T, binary string) harness.Cluster {
	t.Helper()
	cluster := harness.NewCluster(harness.Config{Binary: binary, DataDir: t.TempDir(), Args: []string{"--metrics=extensive"}}, 3)
	require.NoError(t, cluster.Start(harness.Context(t)))
	t.Cleanup(cluster.Kill)
	return cluster
}

// use makes a request of each kind that leaves traces.
func use(t *testing.T, s *harness.Server) {
	t.Helper()
	client, ctx := harness.Client(t, s), harness.Context(t)
	watching, stop := context.WithCancel(ctx)
	defer stop()
	events := client.Watch(watching, "k", clientv3.WithPrefix())
	put, err := client.Put(ctx, "k", "v")
	require.NoError(t, err)
	<-events
	_, err = client.Get(ctx, "k")
	require.NoError(t, err)
	_, err = client.Txn(ctx).Then(clientv3.OpPut("k2", "v"), clientv3.OpGet("k")).Commit()
	require.NoError(t, err)
	_, err = client.Txn(ctx).Then(clientv3.OpGet("k")).Commit()
	require.NoError(t, err)
	_, err = client.Delete(ctx, "k2")
	require.NoError(t, err)
	lease, err := client.Grant(ctx, 60)
	require.NoError(t, err)
	_, err = client.KeepAliveOnce(ctx, lease.ID)
	require.NoError(t, err)
	_, err = client.Revoke(ctx, lease.ID)
	require.NoError(t, err)
	_, err = client.Compact(ctx, put.Header.Revision, clientv3.WithCompactPhysical())
	require.NoError(t, err)
	_, err = client.HashKV(ctx, s.Endpoint(), 0)
	require.NoError(t, err)
	_, err = client.Defragment(ctx, s.Endpoint())
	require.NoError(t, err)
	snapshot, err := client.Snapshot(ctx)
	require.NoError(t, err)
	_, err = io.Copy(io.Discard, snapshot)
	require.NoError(t, err)
	require.NoError(t, snapshot.Close())
}

// all is what three members measure together, once they were used.
func all(t *testing.T, cluster harness.Cluster) map[string]*family {
	t.Helper()
	use(t, cluster[0])
	together := map[string]*family{}
	for _, member := range cluster {
		for name, of := range scrape(t, member) {
			if known := together[name]; known == nil || len(known.labels) == 0 {
				together[name] = of
			}
		}
	}
	return together
}

// Goal: rules and dashboards that were made for etcd find the same names with the same types and labels, and what they do not find has a reason that
// users can read. Method: three members of each are used alike, and their pages compared; the reasons are those of docs/metrics.md.
func TestMetricsAreNamedAsEtcdsAre(t *testing.T) {
	binary, err := harness.Binary()
	require.NoError(t, err)
	etcd, err := harness.Peer("etcd")
	require.NoError(t, err)
	theirs := all(t, members(t, etcd))
	ours := all(t, members(t, binary))
	reasons := absent(t)
	require.NotEmpty(t, reasons)
	for _, name := range slices.Sorted(maps.Keys(theirs)) {
		if strings.HasPrefix(name, "go_") {
			continue // they depend on the version of Go
		}
		mine, want := ours[name], theirs[name]
		if slices.Contains(reasons, name) {
			require.Nil(t, mine, "%s is there, and docs/metrics.md says why it is not", name)
			continue
		}
		if mine == nil {
			t.Errorf("%s %s %v is not there, and docs/metrics.md does not say why", name, want.kind, want.labels)
			continue
		}
		if mine.kind != want.kind {
			t.Errorf("%s is a %s, etcd's a %s", name, mine.kind, want.kind)
		}
		if len(mine.values) > 0 && len(want.values) > 0 && !slices.Equal(want.labels, mine.labels) {
			t.Errorf("%s has the labels %v, etcd's %v", name, mine.labels, want.labels)
		}
	}
	for _, name := range reasons {
		require.Contains(t, theirs, name, "docs/metrics.md says why Quorate does not have it, and etcd does not either")
	}
	for name := range ours {
		if strings.HasPrefix(name, "etcd_") && !strings.HasPrefix(name, "etcd_http_") && theirs[name] == nil {
			require.Contains(t, unseen, name, "etcd has no such metric")
		}
	}
}

// unseen are etcd's that its page does not show before something has happened.
var unseen = []string{
	"etcd_server_learner_promote_failures", "etcd_network_snapshot_send_success", "etcd_network_snapshot_send_failures",
	"etcd_network_peer_round_trip_time_seconds", "etcd_network_disconnected_peers_total", "etcd_network_peer_received_failures_total", "etcd_network_peer_sent_failures_total",
	"etcd_server_healthcheck", "etcd_server_healthchecks_total",
}

// Goal: what is applied is counted on every member, as with etcd, and the quota of a store that has none lies above its size. Method: requests to one
// member, and the pages of all once they have applied them.
func TestEveryMemberCountsWhatIsApplied(t *testing.T) {
	binary, err := harness.Binary()
	require.NoError(t, err)
	cluster := members(t, binary)
	use(t, cluster[0])
	for _, member := range cluster {
		require.EventuallyWithT(t, func(c *assert.CollectT) {
			page := scrape(t, member)
			for name, want := range map[string]float64{
				"etcd_debugging_lease_granted_total": 1, "etcd_debugging_lease_revoked_total": 1, "etcd_mvcc_put_total": 2, "etcd_mvcc_delete_total": 1,
				"etcd_debugging_mvcc_total_put_size_in_bytes": 5, "etcd_server_is_learner": 0, "etcd_server_has_leader": 1,
			} {
				assert.InDelta(c, want, page[name].values[name+"{}"], 0, name)
			}
			if member == cluster[0] {
				for _, phase := range []string{"queue", "sync", "replicate", "apply"} {
					assert.Positive(c, page["quorate_write_phase_seconds"].values[`quorate_write_phase_seconds_count{phase="`+phase+`"}`], phase)
				}
			}
			quota, size := page["etcd_server_quota_backend_bytes"], page["etcd_mvcc_db_total_size_in_bytes"]
			assert.Greater(c, quota.values["etcd_server_quota_backend_bytes{}"], size.values["etcd_mvcc_db_total_size_in_bytes{}"])
		}, 30*time.Second, 50*time.Millisecond)
	}
}
