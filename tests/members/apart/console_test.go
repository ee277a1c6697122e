package apart

import (
	"context"
	"net/http"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/client/v3/concurrency"

	consolev1 "github.com/quoratedb/quorate/pkg/gen/quorate/console/v1"
	"github.com/quoratedb/quorate/pkg/gen/quorate/console/v1/consolev1connect"
	"github.com/quoratedb/quorate/tests/harness"
)

// Goal: the console that an API node serves shows and changes the store of the other services. Method: each kind of what it asks of them, by its own methods:
// the members' state, searches, plans and history of consensus, leases and locks of the lease service, and a live stream of the watch service.
func TestConsoleOfAnAPINode(t *testing.T) {
	s := start(t, harness.Sizes{Consensus: 1, Lease: 1, Watch: 1, API: 1}, false)
	ctx, client, url := harness.Context(t), dial(t, s.Endpoints()...), s.API[0].URL()
	to := consolev1connect.NewConsoleServiceClient(http.DefaultClient, url, connect.WithProtoJSON())
	answer, err := http.Get(url + "/console/")
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	require.Equal(t, http.StatusOK, answer.StatusCode)

	about, err := to.About(ctx, &consolev1.AboutRequest{})
	require.NoError(t, err)
	programs, err := harness.Make("build", "bin")
	require.NoError(t, err)
	said, err := exec.CommandContext(ctx, filepath.Join(programs, "quorate-api"), "--version").Output()
	require.NoError(t, err)
	require.Contains(t, string(said), "quorate-api Version: "+about.Version+"\n")
	var cluster *consolev1.ClusterResponse
	require.Eventually(t, func() bool { // a member that is busy may take longer than the second that it is given
		answer, err := to.Cluster(ctx, &consolev1.ClusterRequest{})
		cluster = answer
		return err == nil && len(answer.Members) == 1 && answer.Members[0].Unreachable == ""
	}, 30*time.Second, 50*time.Millisecond)
	require.True(t, cluster.Members[0].Leader)
	require.Positive(t, cluster.Members[0].DiskFree)

	listening, stop := context.WithCancel(ctx)
	defer stop()
	live, err := to.Live(listening, &consolev1.LiveRequest{Cluster: true, Watches: []*consolev1.LiveWatch{{Id: 1, Key: []byte("/a/"), RangeEnd: []byte("/a0"), PrevKv: true}}})
	require.NoError(t, err)
	defer live.Close()
	next := func(wanted func(*consolev1.LiveResponse) bool) {
		for live.Receive() {
			if wanted(live.Msg()) {
				return
			}
		}
		require.FailNow(t, "the stream has ended", "%v", live.Err())
	}
	next(func(r *consolev1.LiveResponse) bool { return r.GetStarted() != nil })
	first, err := client.Put(ctx, "/a/key", "first")
	require.NoError(t, err)
	_, err = client.Put(ctx, "/a/key", "second")
	require.NoError(t, err)
	next(func(r *consolev1.LiveResponse) bool {
		events := r.GetEvents().GetEvents()
		return len(events) > 0 && string(events[len(events)-1].GetPrevKv().GetValue()) == "first"
	})

	found, err := to.Search(ctx, &consolev1.SearchRequest{Contains: []byte("ke")})
	require.NoError(t, err)
	require.Len(t, found.Keys, 1)
	back := &consolev1.Plan{Change: &consolev1.Plan_PutBack{PutBack: &consolev1.PutBack{Key: []byte("/a/"), Prefix: true, ToRevision: first.Header.Revision}}}
	preview, err := to.Preview(ctx, &consolev1.PreviewRequest{Plan: back})
	require.NoError(t, err)
	require.Len(t, preview.Changes, 1)
	_, err = to.Apply(ctx, &consolev1.ApplyRequest{Plan: back, Revision: preview.Revision})
	require.NoError(t, err)
	got, err := client.Get(ctx, "/a/key")
	require.NoError(t, err)
	require.Equal(t, "first", string(got.Kvs[0].Value))

	session, err := concurrency.NewSession(client, concurrency.WithTTL(60))
	require.NoError(t, err)
	require.NoError(t, concurrency.NewMutex(session, "/locks/a").Lock(ctx))
	locks, err := to.Locks(ctx, &consolev1.LocksRequest{Prefix: []byte("/locks/")})
	require.NoError(t, err)
	require.Len(t, locks.Locks, 1)
	require.EqualValues(t, session.Lease(), locks.Locks[0].Turns[0].Lease)
	leases, err := to.Leases(ctx, &consolev1.LeasesRequest{})
	require.NoError(t, err)
	require.EqualValues(t, 1, leases.Total)
}
