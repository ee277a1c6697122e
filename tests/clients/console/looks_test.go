package console

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/client/v3/concurrency"
	"golang.org/x/sync/errgroup"

	consolev1 "github.com/quoratedb/quorate/pkg/gen/quorate/console/v1"
	"github.com/quoratedb/quorate/tests/harness"
)

// Goal: keys are found by a part of their names, page by page at one revision, however letters are written and whatever bytes are in them.
// Method: a few names among others, two at a time, with a key that comes in between.
func TestSearch(t *testing.T) {
	t.Parallel()
	ctx, client, to := harness.Context(t), harness.Client(t, shared), page(shared, "")
	for i := range 30 {
		put(t, client, fmt.Sprintf("/search/%02d/other", i), "v")
	}
	put(t, client, "/search/05/Leader", "v", "/search/11/leader\xff", "v", "/search/29/LEADER", "v", "/searched/leader", "v")
	var found []string
	request := &consolev1.SearchRequest{Prefix: []byte("/search/"), Contains: []byte("LeadeR"), IgnoreCase: true, Limit: 2}
	for {
		answer, err := to.Search(ctx, request)
		require.NoError(t, err)
		for _, key := range answer.Keys {
			found = append(found, string(key.Key))
			require.Positive(t, key.ModRevision)
		}
		request.After, request.Revision = answer.NextAfter, answer.Revision
		if !answer.More {
			break
		}
		put(t, client, "/search/28/leader", "v")
	}
	require.Equal(t, []string{"/search/05/Leader", "/search/11/leader\xff", "/search/29/LEADER"}, found)
	answer, err := to.Search(ctx, &consolev1.SearchRequest{Prefix: []byte("/search/"), Contains: []byte("LEADER")})
	require.NoError(t, err)
	require.Len(t, answer.Keys, 1)
	_, err = to.Search(ctx, &consolev1.SearchRequest{})
	require.ErrorContains(t, err, "the text to look for has 0 bytes")
}

// Goal: who holds a lock, since when, and who waits in which order; elections with what candidates say; leases with their keys; all by the keys
// that etcd's client makes. Method: etcd's concurrency library beside the console, by prefix and by leases.
func TestLocksAndLeases(t *testing.T) {
	t.Parallel()
	s := harness.Run(t)
	ctx, client, to := harness.Context(t), harness.Client(t, s), page(s, "")
	began := time.Now().Add(-2 * time.Second)
	var sessions []*concurrency.Session
	for range 3 {
		session, err := concurrency.NewSession(client, concurrency.WithTTL(60))
		require.NoError(t, err)
		sessions = append(sessions, session)
	}
	require.NoError(t, concurrency.NewMutex(sessions[1], "/locks/a").Lock(ctx))
	_, err := client.Put(ctx, fmt.Sprintf("/locks/a/%x", sessions[0].Lease()), "", clientWithLease(sessions[0]))
	require.NoError(t, err)
	require.NoError(t, concurrency.NewElection(sessions[2], "/locks/b").Campaign(ctx, "m3"))
	put(t, client, "/locks/a/no-turn", "v", "/locks/c", "v")

	for _, prefix := range []string{"", "/locks/"} {
		var locks []*consolev1.Lock
		request := &consolev1.LocksRequest{Prefix: []byte(prefix), Limit: 1}
		for {
			answer, err := to.Locks(ctx, request)
			require.NoError(t, err)
			locks = append(locks, answer.Locks...)
			if request.After = answer.NextAfter; !answer.More {
				break
			}
		}
		require.Len(t, locks, 2, "by %q", prefix)
		a, b := locks[0], locks[1]
		require.Equal(t, []any{"/locks/a", false, int64(2)}, []any{string(a.Name), a.Election, a.TurnsTotal})
		require.Equal(t, []int64{int64(sessions[1].Lease()), int64(sessions[0].Lease())}, []int64{a.Turns[0].Lease, a.Turns[1].Lease})
		require.WithinRange(t, time.Unix(0, a.Turns[0].SinceUnixNano), began, time.Now().Add(time.Second))
		require.Positive(t, a.Turns[0].Ttl)
		require.True(t, b.Election)
		require.Equal(t, "m3", string(b.Turns[0].Value))
	}
	leases, err := to.Leases(ctx, &consolev1.LeasesRequest{Limit: 2})
	require.NoError(t, err)
	require.True(t, leases.More)
	require.EqualValues(t, 3, leases.Total)
	rest, err := to.Leases(ctx, &consolev1.LeasesRequest{After: leases.Leases[1].Id})
	require.NoError(t, err)
	require.Len(t, rest.Leases, 1)
	require.EqualValues(t, 60, rest.Leases[0].GrantedTtl)
	require.EqualValues(t, 1, rest.Leases[0].KeysTotal)
}

// Goal: a key without a lease that is older than those who wait, such as one that was put back, is shown as the holder that it is, and also when nobody waits;
// keys that are only called like turns are not. Method: such keys, one of them in front of a client of etcd's library that then gets its turn when the key is deleted.
func TestKeysWithoutLeaseHoldLocks(t *testing.T) {
	t.Parallel()
	s := harness.Run(t)
	ctx, client, to := harness.Context(t), harness.Client(t, s), page(s, "")
	const left = "/694d8f3e2a1b4c5d"
	put(t, client, "/left/a"+left, "", "/left/b/any", "v", "/left/users/10", "", "/left/data"+left, "v", "/left/none", "")
	session, err := concurrency.NewSession(client, concurrency.WithTTL(60))
	require.NoError(t, err)
	mutex, waiter := concurrency.NewMutex(session, "/left/b"), fmt.Sprintf("/left/b/%x", session.Lease())
	require.ErrorIs(t, mutex.TryLock(ctx), concurrency.ErrLocked)
	_, err = client.Put(ctx, waiter, "", clientWithLease(session))
	require.NoError(t, err)

	for _, prefix := range []string{"", "/left/"} {
		answer, err := to.Locks(ctx, &consolev1.LocksRequest{Prefix: []byte(prefix)})
		require.NoError(t, err)
		var lines []string
		for _, lock := range answer.Locks {
			for _, turn := range lock.Turns {
				lines = append(lines, fmt.Sprint(string(lock.Name), " ", string(turn.Key), " ", turn.Lease != 0, turn.Ttl > 0))
			}
		}
		require.Equal(t, []string{"/left/a /left/a" + left + " false false", "/left/b /left/b/any false false", "/left/b " + waiter + " true true"}, lines, "by %q", prefix)
	}
	_, err = client.Delete(ctx, "/left/b/any")
	require.NoError(t, err)
	require.NoError(t, mutex.TryLock(ctx))
}

// Goal: a process has its version, points of itself, slow requests without values, and the last lines of its audit log. Method: a server with an audit log; one
// transaction that takes long enough to be among the slowest.
func TestWhatTheProcessKnows(t *testing.T) {
	t.Parallel()
	audit := filepath.Join(t.TempDir(), "audit.log")
	s := harness.Run(t, "--audit-log", audit)
	ctx, client, to := harness.Context(t), harness.Client(t, s), page(s, "")
	about, err := to.About(ctx, &consolev1.AboutRequest{})
	require.NoError(t, err)
	require.True(t, about.AuditLog && about.Root && !about.AuthEnabled)
	require.NotZero(t, about.ClusterId)
	binary, err := harness.Binary()
	require.NoError(t, err)
	said, err := exec.CommandContext(ctx, binary, "--version").Output()
	require.NoError(t, err)
	require.Contains(t, string(said), "Quorate Version: "+about.Version+"\n")

	put(t, client, "/slow/secret-key", "secret-value")
	series := new(consolev1.SeriesResponse)
	for len(series.TimesUnixMilli) == 0 || len(series.Marks) == 0 { // the first point is measured while the server begins to serve
		series, err = to.Series(ctx, &consolev1.SeriesRequest{})
		require.NoError(t, err)
	}
	require.InDelta(t, 40, len(series.Series), 5)
	for _, one := range series.Series {
		require.Len(t, one.Values, len(series.TimesUnixMilli), one.Name)
	}
	// Where the time of a write went is told of those that take a millisecond: many at once do, sooner or later.
	var slow *consolev1.SlowRequestsResponse
	for told := false; !told; {
		var writing errgroup.Group
		for range 16 {
			writing.Go(func() error {
				_, err := client.Put(ctx, "/slow/secret-key", strings.Repeat("secret-value", 1<<16))
				return err
			})
		}
		require.NoError(t, writing.Wait())
		slow, err = to.SlowRequests(ctx, &consolev1.SlowRequestsRequest{})
		require.NoError(t, err)
		told = slices.ContainsFunc(slow.Requests, func(r *consolev1.SlowRequest) bool {
			return r.Method == "etcdserverpb.KV/Put" && string(r.Prefix) == "/slow/" && r.Code == "OK" && r.Took > 1000 && r.Sync+r.Commit+r.Apply > 0
		})
	}
	require.NotContains(t, slow.String(), "secret")

	trail, err := to.AuditTrail(ctx, &consolev1.AuditTrailRequest{Limit: 3})
	require.NoError(t, err)
	require.Len(t, trail.Lines, 3)
	require.Contains(t, strings.Join(trail.Lines, "\n"), `"method":"quorate.console.v1.ConsoleService/SlowRequests"`)
}

// Goal: every member is told of by whichever is asked, with who leads and how many may be lost, a member that is down by why nothing is known of it;
// and leadership moves from wherever one asks. Method: three members, one of which is killed.
func TestCluster(t *testing.T) {
	t.Parallel()
	binary, err := harness.Binary()
	require.NoError(t, err)
	ctx := harness.Context(t)
	members := harness.NewCluster(harness.Config{Binary: binary, DataDir: t.TempDir()}, 3)
	require.NoError(t, members.Start(ctx))
	t.Cleanup(members.Kill)
	to := page(members[0], "")
	var seen *consolev1.ClusterResponse
	until := func(so func() bool) { // a member that is busy may take longer than the second that it is given, and hear of a leader later than others
		t.Helper()
		require.Eventually(t, func() bool {
			answer, err := to.Cluster(ctx, &consolev1.ClusterRequest{})
			seen = answer
			return err == nil && so()
		}, 30*time.Second, 50*time.Millisecond)
	}
	down := func() (n int) {
		for _, m := range seen.Members {
			if m.Unreachable != "" {
				n++
			}
		}
		return n
	}
	until(func() bool { return down() == 0 })
	require.Len(t, seen.Members, 3)
	require.Equal(t, []int32{3, 1}, []int32{seen.Voters, seen.MayLose})
	leaders := 0
	for _, m := range seen.Members {
		require.Positive(t, m.DbSize)
		require.Positive(t, m.DiskFree)
		require.NotEmpty(t, m.Build)
		if m.Leader {
			leaders++
		}
	}
	require.Equal(t, 1, leaders)

	for _, m := range seen.Members { // whoever leads, some of these calls are to another
		_, err := to.MoveLeader(ctx, &consolev1.MoveLeaderRequest{TargetId: m.Id})
		require.NoError(t, err)
	}
	last := seen.Members[2].Id
	until(func() bool { return seen.LeaderId == last })

	members[2].Kill()
	until(func() bool { return down() == 1 })
	require.Zero(t, seen.MayLose)
}
