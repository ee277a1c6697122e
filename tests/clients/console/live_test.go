package console

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"testing"

	"connectrpc.com/connect"
	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/concurrency"

	consolev1 "github.com/quoratedb/quorate/pkg/gen/quorate/console/v1"
	"github.com/quoratedb/quorate/pkg/gen/quorate/console/v1/consolev1connect"
	"github.com/quoratedb/quorate/tests/harness"
)

func clientWithLease(session *concurrency.Session) clientv3.OpOption {
	return clientv3.WithLease(session.Lease())
}

// listen opens a stream, which ends with the test.
func listen(t *testing.T, to consolev1connect.ConsoleServiceClient, r *consolev1.LiveRequest) *connect.ServerStreamForClient[consolev1.LiveResponse] {
	t.Helper()
	ctx, cancel := context.WithCancel(harness.Context(t))
	stream, err := to.Live(ctx, r)
	require.NoError(t, err)
	t.Cleanup(func() { cancel(); _ = stream.Close() })
	return stream
}

// await receives until found says that it has seen enough.
func await(t *testing.T, stream *connect.ServerStreamForClient[consolev1.LiveResponse], found func(*consolev1.LiveResponse) bool) {
	t.Helper()
	for stream.Receive() {
		if found(stream.Msg()) {
			return
		}
	}
	require.FailNow(t, "the stream has ended", "%v", stream.Err())
}

func watching(keys ...string) *consolev1.LiveRequest {
	r := &consolev1.LiveRequest{}
	for i, key := range keys {
		r.Watches = append(r.Watches, &consolev1.LiveWatch{Id: int64(i + 1), Key: []byte(key), RangeEnd: []byte(clientv3.GetPrefixRangeEnd(key)), PrevKv: true})
	}
	return r
}

// Goal: a page goes on without a gap, and without anything twice, where the server was killed. Method: one writes numbers, one listens; kill -9 in
// between, and listen on from where the last message said.
func TestLiveGoesOnAfterAKill(t *testing.T) {
	t.Parallel()
	s := harness.Run(t)
	ctx, client, to := harness.Context(t), harness.Client(t, s), page(s, "")
	request := watching("/n/")
	stream := listen(t, to, request)
	await(t, stream, func(r *consolev1.LiveResponse) bool { return r.GetStarted() != nil })
	var got []string
	take := func(until string) {
		await(t, stream, func(r *consolev1.LiveResponse) bool {
			events := r.GetEvents()
			for _, e := range events.GetEvents() {
				got = append(got, string(e.Kv.Value))
			}
			require.Zero(t, events.GetPassedOverFrom())
			if next := events.GetNextRevision(); next != 0 {
				request.Watches[0].StartRevision = next
			}
			return len(got) > 0 && got[len(got)-1] == until
		})
	}
	for i := range 10 {
		put(t, client, "/n/k", strconv.Itoa(i))
	}
	take("9")
	put(t, client, "/n/k", "10") // it may have been seen or not
	s.Kill()
	require.NoError(t, s.Start(ctx))
	put(t, client, "/n/k", "11")
	stream = listen(t, to, request)
	take("11")
	var want []string
	for i := range 12 {
		want = append(want, strconv.Itoa(i))
	}
	require.Equal(t, want, got)
}

// Goal: what comes faster than anybody reads is passed over, and that is told with revisions from which it can be read; then the page is up to date
// again. Method: a thousand puts at once before a page that wants ten a second.
func TestLivePassesOverWhatNobodyReads(t *testing.T) {
	t.Parallel()
	client, to := harness.Client(t, shared), page(shared, "")
	request := watching("/fast/")
	request.Watches[0].EventsPerSecond = 10
	stream := listen(t, to, request)
	await(t, stream, func(r *consolev1.LiveResponse) bool { return r.GetStarted() != nil })
	var ops []clientv3.Op
	for i := range 100 {
		ops = append(ops, clientv3.OpPut(fmt.Sprintf("/fast/%d", i), "v"))
	}
	var changes []int64 // their revisions
	for range 10 {
		answer, err := client.Txn(harness.Context(t)).Then(ops...).Commit()
		require.NoError(t, err)
		changes = append(changes, answer.Header.Revision)
	}
	// A look at the watch may come between the puts, so that what was passed over is told of in several parts. Each begins with the change of which only a
	// part was shown, and what is shown behind it is the next change.
	last, partly, shown, passed := changes[len(changes)-1], changes[0], 0, false
	await(t, stream, func(r *consolev1.LiveResponse) bool {
		events := r.GetEvents()
		if to := events.GetPassedOverTo(); to != 0 {
			require.Equal(t, partly, events.PassedOverFrom)
			require.LessOrEqual(t, to, events.NextRevision)
			if next := slices.IndexFunc(changes, func(revision int64) bool { return revision >= to }); next >= 0 {
				partly = changes[next]
			}
			shown, passed = 0, true
		}
		for _, event := range events.GetEvents() {
			require.Equal(t, partly, event.Kv.ModRevision)
		}
		shown += len(events.GetEvents())
		require.LessOrEqual(t, shown, 10)
		return events.GetNextRevision() > last
	})
	require.True(t, passed)
	put(t, client, "/fast/after", "v")
	await(t, stream, func(r *consolev1.LiveResponse) bool {
		for _, e := range r.GetEvents().GetEvents() {
			if string(e.Kv.Key) == "/fast/after" {
				return true
			}
		}
		return false
	})
}

// Goal: one stream tells of several watches, of deletions with what was there, of a lease that ends and of the cluster; a watch whose beginning is
// compacted ends alone and says from where on there is something. Method: one stream with all of it.
func TestLiveTellsOfEverything(t *testing.T) {
	t.Parallel()
	s := harness.Run(t)
	ctx, client, to := harness.Context(t), harness.Client(t, s), page(s, "")
	lease, err := client.Grant(ctx, 600)
	require.NoError(t, err)
	compacted := put(t, client, "/a/k", "1", "/a/k", "2")
	_, err = client.Compact(ctx, compacted)
	require.NoError(t, err)
	request := watching("/a/", "/b/", "/c/")
	request.Watches[1].WithoutValues = true
	request.Watches[2].StartRevision = 1
	request.Series, request.SeriesNames, request.Cluster, request.Leases = true, []string{"puts"}, true, []int64{int64(lease.ID)}
	stream := listen(t, to, request)
	seen := map[string]bool{}
	note := func(r *consolev1.LiveResponse) {
		switch {
		case r.GetStarted() != nil:
			seen[fmt.Sprint("started ", r.GetStarted().WatchId)] = true
		case r.GetEnded() != nil:
			seen[fmt.Sprint("ended ", r.GetEnded().WatchId, " ", r.GetEnded().CompactedRevision == compacted)] = true
		case r.GetSeries() != nil:
			seen[fmt.Sprint("series ", len(r.GetSeries().Series))] = true
		case r.GetCluster() != nil:
			seen["cluster"] = true
		case r.GetLeases() != nil:
			seen[fmt.Sprint("lease lives ", r.GetLeases().Leases[0].Ttl > 0)] = true
		}
		for _, e := range r.GetEvents().GetEvents() {
			seen[fmt.Sprint(r.GetEvents().WatchId, " ", e.Deleted, " ", string(e.Kv.Key), "=", string(e.Kv.Value), " ", string(e.PrevKv.GetValue()), " ", e.ValueBytes)] = true
		}
	}
	awaitAll := func(wanted ...string) {
		await(t, stream, func(r *consolev1.LiveResponse) bool {
			note(r)
			for _, one := range wanted {
				if !seen[one] {
					return false
				}
			}
			return true
		})
	}
	awaitAll("started 1", "started 2", "ended 3 true", "series 1", "cluster", "lease lives true")
	_, err = client.Delete(ctx, "/a/k")
	require.NoError(t, err)
	put(t, client, "/b/k", "hidden")
	_, err = client.Revoke(ctx, lease.ID)
	require.NoError(t, err)
	awaitAll("1 true /a/k= 2 0", "2 false /b/k=  6", "lease lives false")

	connected := listen(t, to, &consolev1.LiveRequest{}) // a page that wants to hear of nothing wants to know that it is connected
	require.True(t, connected.Receive())
	require.NotNil(t, connected.Msg().GetAlive())

	_, err = to.Live(ctx, &consolev1.LiveRequest{Watches: make([]*consolev1.LiveWatch, 17)})
	require.NoError(t, err) // it is the stream that fails
	refused := listen(t, to, &consolev1.LiveRequest{Leases: make([]int64, 33)})
	for refused.Receive() {
	}
	require.ErrorContains(t, refused.Err(), "a stream may have 16 and 32")
}
