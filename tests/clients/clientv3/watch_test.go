package clientv3

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/quoratedb/quorate/tests/harness"
)

// watch opens a watch on one of the test's keys and waits until the server has created it.
func (k *keyspace) watch(name string, opts ...clientv3.OpOption) clientv3.WatchChan {
	k.t.Helper()
	events := k.Watch(k.ctx, k.key(name), append(opts, clientv3.WithCreatedNotify())...)
	created := <-events
	require.True(k.t, created.Created, "%v", created.Err())
	require.Empty(k.t, created.Events)
	return events
}

// take reads n events, which may come in any number of responses, and names them: "PUT key=value@revision".
func (k *keyspace) take(events clientv3.WatchChan, n int) []string {
	k.t.Helper()
	var got []string
	for len(got) < n {
		resp, ok := <-events
		require.True(k.t, ok, "the watch ended after %v", got)
		require.NoError(k.t, resp.Err())
		for _, event := range resp.Events {
			require.LessOrEqual(k.t, event.Kv.ModRevision, resp.Header.Revision)
			got = append(got, k.event(event))
		}
	}
	require.Len(k.t, got, n)
	return got
}

func (k *keyspace) event(event *clientv3.Event) string {
	name := strings.TrimPrefix(string(event.Kv.Key), k.prefix)
	if event.Type == mvccpb.Event_DELETE {
		return fmt.Sprintf("DELETE %s@%d", name, event.Kv.ModRevision)
	}
	return fmt.Sprintf("PUT %s=%s@%d", name, event.Kv.Value, event.Kv.ModRevision)
}

// Goal: a watch sees what happens to its keys from now on and nothing else. Method: watches on a key, a prefix, a range and from a key on,
// and writes inside and outside each.
func TestWatchRanges(t *testing.T) {
	k := open(t)
	k.put("b", "before")
	key := k.watch("b")
	prefix := k.watch("b", clientv3.WithPrefix())
	between := k.watch("a", clientv3.WithRange(k.key("b")))
	a := k.put("a", "1")
	b := k.put("b", "2")
	bb := k.put("bb", "3")
	del := k.delete("b")
	after := k.put("a", "4")
	require.Equal(t, []string{fmt.Sprintf("PUT b=2@%d", b), fmt.Sprintf("DELETE b@%d", del)}, k.take(key, 2))
	require.Equal(t, []string{fmt.Sprintf("PUT b=2@%d", b), fmt.Sprintf("PUT bb=3@%d", bb), fmt.Sprintf("DELETE b@%d", del)}, k.take(prefix, 3))
	require.Equal(t, []string{fmt.Sprintf("PUT a=1@%d", a), fmt.Sprintf("PUT a=4@%d", after)}, k.take(between, 2))
}

// Goal: a watch from a key on, and one on everything, have no upper bound. Method: a key of 0xff bytes on a server of the test's own.
func TestWatchToTheEnd(t *testing.T) {
	k, _ := own(t)
	fromKey := k.watch("m", clientv3.WithFromKey())
	all := k.watch("", clientv3.WithPrefix())
	k.put("a", "1")
	k.put("\xff\xff", "2")
	require.Equal(t, []string{"PUT \xff\xff=2@3"}, k.take(fromKey, 1))
	require.Equal(t, []string{"PUT a=1@2", "PUT \xff\xff=2@3"}, k.take(all, 2))
}

// Goal: a watch starts in the past, and goes on into the present without a gap. Method: start at each revision of a history, then write more.
func TestWatchFromThePast(t *testing.T) {
	k := open(t)
	var history []string
	var revisions []int64
	record := func(revision int64, event string) {
		revisions, history = append(revisions, revision), append(history, fmt.Sprintf("%s@%d", event, revision))
	}
	for i := range 5 {
		record(k.put("a", fmt.Sprint(i)), fmt.Sprintf("PUT a=%d", i))
	}
	record(k.delete("a"), "DELETE a")
	record(k.put("a", "again"), "PUT a=again")
	var watches []clientv3.WatchChan
	for _, revision := range revisions {
		watches = append(watches, k.Watch(k.ctx, k.key("a"), clientv3.WithRev(revision)))
	}
	record(k.put("a", "now"), "PUT a=now")
	for i, events := range watches {
		require.Equal(t, history[i:], k.take(events, len(history)-i))
	}
}

// Goal: a watch that starts in the future is silent until then. Method: writes below, at and above its start.
func TestWatchFromTheFuture(t *testing.T) {
	k, _ := own(t)
	events := k.watch("a", clientv3.WithRev(5))
	for i := range 6 {
		k.put("a", fmt.Sprint(i)) // revisions 2 to 7
	}
	require.Equal(t, []string{"PUT a=3@5", "PUT a=4@6", "PUT a=5@7"}, k.take(events, 3))
}

// Goal: a watch of the compacted past ends and says what is the oldest left. Method: start one at and below the compacted revision.
func TestWatchCompacted(t *testing.T) {
	k, _ := own(t)
	for i := range 10 {
		k.put("a", fmt.Sprint(i))
	}
	_, err := k.Compact(k.ctx, 8)
	require.NoError(t, err)
	resp := <-k.Watch(k.ctx, "a", clientv3.WithRev(3))
	require.True(t, resp.Canceled)
	require.EqualValues(t, 8, resp.CompactRevision)
	require.Equal(t, rpctypes.ErrCompacted, resp.Err())
	// What happened at the compacted revision itself is still there.
	require.Equal(t, []string{"PUT a=6@8", "PUT a=7@9", "PUT a=8@10", "PUT a=9@11"}, k.take(k.Watch(k.ctx, "a", clientv3.WithRev(8)), 4))
}

// Goal: an event carries the key before it if asked. Method: create, change and delete a key, live and from the past.
func TestWatchPrevKV(t *testing.T) {
	k := open(t)
	live := k.watch("a", clientv3.WithPrevKV())
	without := k.watch("a")
	first := k.put("a", "1")
	k.put("a", "2")
	k.delete("a")
	k.put("a", "3")
	past := k.Watch(k.ctx, k.key("a"), clientv3.WithPrevKV(), clientv3.WithRev(first))
	for name, events := range map[string]clientv3.WatchChan{"live": live, "past": past} {
		var previous []string
		for len(previous) < 4 {
			resp := <-events
			require.NoError(t, resp.Err(), name)
			for _, event := range resp.Events {
				if event.PrevKv == nil {
					previous = append(previous, "none")
				} else {
					previous = append(previous, string(event.PrevKv.Value))
				}
			}
		}
		require.Equal(t, []string{"none", "1", "2", "none"}, previous, name)
	}
	resp := <-without
	require.True(t, resp.Events[0].IsCreate())
	require.Nil(t, resp.Events[0].PrevKv)
}

// Goal: puts or deletes can be left out, or both. Method: one history, each filter, live and from the past.
func TestWatchFilters(t *testing.T) {
	k := open(t)
	noPut, noDelete := k.watch("a", clientv3.WithFilterPut()), k.watch("a", clientv3.WithFilterDelete())
	put := k.put("a", "1")
	del := k.delete("a")
	again := k.put("a", "2")
	del2 := k.delete("a")
	puts := []string{fmt.Sprintf("PUT a=1@%d", put), fmt.Sprintf("PUT a=2@%d", again)}
	deletes := []string{fmt.Sprintf("DELETE a@%d", del), fmt.Sprintf("DELETE a@%d", del2)}
	require.Equal(t, deletes, k.take(noPut, 2))
	require.Equal(t, puts, k.take(noDelete, 2))
	require.Equal(t, deletes, k.take(k.Watch(k.ctx, k.key("a"), clientv3.WithRev(put), clientv3.WithFilterPut()), 2))
	require.Equal(t, puts, k.take(k.Watch(k.ctx, k.key("a"), clientv3.WithRev(put), clientv3.WithFilterDelete()), 2))
}

// Goal: all events of one revision arrive together, in the order that they were written. Method: transactions of many keys, live and
// from the past.
func TestWatchRevisionsAreWhole(t *testing.T) {
	k := open(t)
	live := k.watch("", clientv3.WithPrefix())
	var first int64
	for i := range 20 {
		var ops []clientv3.Op
		for j := range 50 {
			ops = append(ops, clientv3.OpPut(k.key(fmt.Sprintf("%02d", (j*7+i)%50)), fmt.Sprint(i)))
		}
		resp, err := k.Txn(k.ctx).Then(ops...).Commit()
		require.NoError(t, err)
		if i == 0 {
			first = resp.Header.Revision
		}
	}
	past := k.Watch(k.ctx, k.key(""), clientv3.WithPrefix(), clientv3.WithRev(first))
	for name, events := range map[string]clientv3.WatchChan{"live": live, "past": past} {
		for seen, last := 0, int64(0); seen < 1000; {
			resp := <-events
			require.NoError(t, resp.Err(), name)
			require.Zero(t, len(resp.Events)%50, "%s: a revision is torn", name)
			for i, event := range resp.Events {
				n := (seen + i) / 50
				require.Equal(t, k.key(fmt.Sprintf("%02d", ((seen+i)%50*7+n)%50)), string(event.Kv.Key), name)
				if i%50 == 0 {
					require.Greater(t, event.Kv.ModRevision, last, name)
				} else {
					require.Equal(t, last, event.Kv.ModRevision, name)
				}
				last = event.Kv.ModRevision
			}
			seen += len(resp.Events)
		}
	}
}

// Goal: a revision that is larger than a message still reaches the client's user in one piece. Method: a deletion of 3 MB with what was
// deleted, which the server sends in fragments.
func TestWatchFragments(t *testing.T) {
	k := open(t)
	for i := range 30 {
		k.put(fmt.Sprintf("%02d", i), strings.Repeat("v", 100_000))
	}
	events := k.watch("", clientv3.WithPrefix(), clientv3.WithFragment(), clientv3.WithPrevKV())
	k.delete("", clientv3.WithPrefix())
	resp := <-events
	require.NoError(t, resp.Err())
	require.Len(t, resp.Events, 30)
	for i, event := range resp.Events {
		require.Equal(t, k.key(fmt.Sprintf("%02d", i)), string(event.Kv.Key))
		require.Len(t, event.PrevKv.Value, 100_000)
	}
}

// Goal: a watch ends when its user goes, and others on the stream stay. Method: cancel one of two.
func TestWatchCancel(t *testing.T) {
	k := open(t)
	ctx, cancel := context.WithCancel(k.ctx)
	one := k.Watch(ctx, k.key("a"))
	two := k.watch("a")
	cancel()
	for range one {
	}
	k.put("a", "1")
	require.Len(t, k.take(two, 1), 1)
}

// Goal: an idle watch that asks for it hears how far it is. Method: a server that tells every second; the client asks by itself too.
func TestWatchProgress(t *testing.T) {
	k := open(t)
	idle := k.watch("idle", clientv3.WithProgressNotify())
	resp := <-idle
	require.True(t, resp.IsProgressNotify())
	rev := k.put("other", "v")
	for resp.Header.Revision < rev {
		resp = <-idle
		require.True(t, resp.IsProgressNotify())
	}

	asked := k.watch("idle")
	rev = k.put("other", "v")
	// An answer may be older than the request that it answers.
	for done := false; !done; {
		require.NoError(t, k.RequestProgress(k.ctx))
		resp := <-asked
		require.True(t, resp.IsProgressNotify())
		done = resp.Header.Revision >= rev
	}
}

// Goal: many watches on one stream each see their own. Method: 300 watches of 30 keys, each key written thrice.
func TestWatchManyOnOneStream(t *testing.T) {
	k := open(t)
	var watches []clientv3.WatchChan
	for i := range 300 {
		watches = append(watches, k.watch(fmt.Sprintf("%02d", i%30)))
	}
	for value := range 3 {
		for i := range 30 {
			k.put(fmt.Sprintf("%02d", i), fmt.Sprint(value))
		}
	}
	for i, events := range watches {
		for value, event := range k.take(events, 3) {
			require.True(t, strings.HasPrefix(event, fmt.Sprintf("PUT %02d=%d@", i%30, value)), event)
		}
	}
}

// Goal: a watcher that does not read holds up nobody, and loses nothing. Method: 40 MB of events for one that sleeps and one that is awake; then
// the sleeper wakes.
func TestWatchSlowReader(t *testing.T) {
	k := open(t)
	slow := harness.Client(t, shared)
	asleep := slow.Watch(k.ctx, k.key(""), clientv3.WithPrefix(), clientv3.WithCreatedNotify())
	<-asleep
	awake := k.watch("", clientv3.WithPrefix())
	value := strings.Repeat("v", 100_000)
	for i := range 400 {
		k.put(fmt.Sprint(i), value)
		resp := <-awake
		require.Len(t, resp.Events, 1)
		require.Equal(t, k.key(fmt.Sprint(i)), string(resp.Events[0].Kv.Key))
	}
	for seen := 0; seen < 400; {
		resp := <-asleep
		require.NoError(t, resp.Err())
		for _, event := range resp.Events {
			require.Equal(t, k.key(fmt.Sprint(seen)), string(event.Kv.Key))
			seen++
		}
	}
}
