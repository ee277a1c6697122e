package upgrade

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"golang.org/x/sync/errgroup"

	"github.com/quoratedb/quorate/tests/harness"
)

const (
	writers = 6
	leases  = 20
	// leaseTTL is longer than the cluster is without a leader, seconds: the client library gives up what it could not renew.
	leaseTTL = 10
	// answerWithin is how long a client waits before it counts a write as unanswered.
	answerWithin = 5 * time.Second
	// written is what all writers' keys begin with, each of which is written once.
	written = "written/"
	// leased is what the keys begin with that hang on leases.
	leased = "leased/"
)

// load is what clients do to a cluster, and what they were answered.
type load struct {
	endpoints []string
	stop      context.CancelFunc
	running   errgroup.Group
	// acknowledged counts writes that were answered.
	acknowledged atomic.Int64
	mu           struct {
		sync.Mutex
		// writes are the revisions of what was acknowledged, by key.
		writes map[string]int64
	}
	ids      []clientv3.LeaseID
	watchers []*watcher
}

// watcher is one client's watch of all that is written.
type watcher struct {
	client *clientv3.Client
	// events are what it was told, to be read once the load has ended. seen is the newest revision of them.
	events []*clientv3.Event
	seen   atomic.Int64
}

// begin has clients use the cluster until the test ends or end is called.
func begin(t *testing.T, members harness.Cluster) *load {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	l := &load{stop: stop}
	t.Cleanup(stop)
	l.mu.writes = map[string]int64{}
	for _, member := range members {
		l.endpoints = append(l.endpoints, member.Endpoint())
	}
	for _, endpoints := range append([][]string{l.endpoints}, each(l.endpoints)...) {
		l.watch(t, ctx, endpoints)
	}
	l.keep(t, ctx)
	for writer := range writers {
		client := l.dial(t)
		l.running.Go(func() error { return l.write(ctx, client, writer) })
	}
	l.running.Go(func() error { return l.writeTree(ctx) })
	l.running.Go(func() error { return l.grant(ctx, l.dial(t)) })
	return l
}

func each(all []string) [][]string {
	var single [][]string
	for _, one := range all {
		single = append(single, []string{one})
	}
	return single
}

func (l *load) dial(t *testing.T) *clientv3.Client {
	t.Helper()
	client, err := harness.Dial(l.endpoints...)
	require.NoError(t, err)
	t.Cleanup(func() { client.Close() })
	return client
}

// write writes new keys, one after the other, in each way that there is.
func (l *load) write(ctx context.Context, client *clientv3.Client, writer int) error {
	for n := 0; ctx.Err() == nil; n++ {
		key := fmt.Sprintf("%s%d/%06d", written, writer, n)
		short, cancel := context.WithTimeout(ctx, answerWithin)
		revision, err := writeOne(short, client, key, n)
		cancel()
		if err != nil {
			continue
		}
		if n%100 == 99 {
			_, _ = client.Compact(ctx, l.seen()) // another writer may have been further
		}
		l.mu.Lock()
		l.mu.writes[key] = revision
		l.mu.Unlock()
		l.acknowledged.Add(1)
	}
	return nil
}

// writeOne writes a key, and now and then more beside it. It returns the revision.
func writeOne(ctx context.Context, client *clientv3.Client, key string, n int) (int64, error) {
	beside := fmt.Sprintf("beside/%d", n%50)
	switch n % 5 {
	case 0, 1:
		resp, err := client.Put(ctx, key, key)
		if err != nil {
			return 0, err
		}
		return resp.Header.Revision, nil
	case 2: // a key that comes and goes
		resp, err := client.Txn(ctx).If(clientv3.Compare(clientv3.CreateRevision(beside), "=", 0)).
			Then(clientv3.OpPut(beside, key), clientv3.OpPut(key, key)).
			Else(clientv3.OpDelete(beside), clientv3.OpPut(key, key)).Commit()
		if err != nil {
			return 0, err
		}
		return resp.Header.Revision, nil
	case 3: // a range that goes
		resp, err := client.Txn(ctx).Then(clientv3.OpPut(key, key), clientv3.OpDelete("beside/1", clientv3.WithPrefix())).Commit()
		if err != nil {
			return 0, err
		}
		return resp.Header.Revision, nil
	default:
		resp, err := client.Put(ctx, key, strings.Repeat(key, 100))
		if err != nil {
			return 0, err
		}
		return resp.Header.Revision, nil
	}
}

// seen is the revision up to which every watcher has been told of all that was written.
func (l *load) seen() int64 {
	seen := l.watchers[0].seen.Load()
	for _, w := range l.watchers {
		seen = min(seen, w.seen.Load())
	}
	return seen
}

// writeTree writes nodes of the v2 API, some of which end by themselves.
func (l *load) writeTree(ctx context.Context) error {
	for n := 0; ctx.Err() == nil; n++ {
		form := url.Values{"value": {fmt.Sprint(n)}}
		if n%3 == 0 {
			form.Set("ttl", "1")
		}
		short, cancel := context.WithTimeout(ctx, answerWithin)
		target := fmt.Sprintf("http://%s/v2/keys/tree/%d/%d", l.endpoints[n%len(l.endpoints)], n%7, n)
		request, err := http.NewRequestWithContext(short, http.MethodPut, target, strings.NewReader(form.Encode()))
		if err != nil {
			cancel()
			return err
		}
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if resp, err := http.DefaultClient.Do(request); err == nil {
			_ = resp.Body.Close()
		}
		cancel()
	}
	return nil
}

// grant makes leases that are revoked at once, and some that end by themselves.
func (l *load) grant(ctx context.Context, client *clientv3.Client) error {
	for n := 0; ctx.Err() == nil; n++ {
		short, cancel := context.WithTimeout(ctx, answerWithin)
		if granted, err := client.Grant(short, 2); err == nil {
			_, _ = client.Put(short, fmt.Sprintf("short/%d", n), "", clientv3.WithLease(granted.ID))
			if n%4 != 0 {
				_, _ = client.Revoke(short, granted.ID)
			}
		}
		cancel()
	}
	return nil
}

// watch follows all that is written, by way of the endpoints.
func (l *load) watch(t *testing.T, ctx context.Context, endpoints []string) {
	t.Helper()
	client, err := harness.Dial(endpoints...)
	require.NoError(t, err)
	t.Cleanup(func() { client.Close() })
	w := &watcher{client: client}
	l.watchers = append(l.watchers, w)
	responses := client.Watch(ctx, written, clientv3.WithPrefix(), clientv3.WithRev(1))
	l.running.Go(func() error {
		for response := range responses {
			if err := response.Err(); err != nil && ctx.Err() == nil {
				return fmt.Errorf("watch by way of %v: %w", endpoints, err)
			}
			w.events = append(w.events, response.Events...)
			if len(response.Events) > 0 {
				w.seen.Store(response.Events[len(response.Events)-1].Kv.ModRevision)
			}
		}
		if ctx.Err() == nil {
			return errors.New("a watch has ended")
		}
		return nil
	})
}

// keep grants leases with a key each and keeps them alive.
func (l *load) keep(t *testing.T, ctx context.Context) {
	t.Helper()
	client := l.dial(t)
	for range leases {
		granted, err := client.Grant(ctx, leaseTTL)
		require.NoError(t, err)
		_, err = client.Put(ctx, fmt.Sprintf("%s%016x", leased, granted.ID), "", clientv3.WithLease(granted.ID))
		require.NoError(t, err)
		renewals, err := client.KeepAlive(ctx, granted.ID)
		require.NoError(t, err)
		l.ids = append(l.ids, granted.ID)
		l.running.Go(func() error {
			for range renewals {
			}
			if ctx.Err() == nil {
				return fmt.Errorf("lease %x could not be kept alive", granted.ID)
			}
			return nil
		})
	}
}

// more waits until n further writes are acknowledged.
func (l *load) more(t *testing.T, n int64) {
	t.Helper()
	until := l.acknowledged.Load() + n
	require.Eventually(t, func() bool { return l.acknowledged.Load() >= until }, time.Minute, 20*time.Millisecond,
		"%d further writes are not acknowledged", n)
}

// end has the clients stop, once the watchers have seen everything, and judges what they were told.
func (l *load) end(t *testing.T) {
	t.Helper()
	ctx := harness.Context(t)
	client := l.dial(t)
	var last *clientv3.PutResponse
	var err error
	require.Eventually(t, func() bool {
		last, err = client.Put(ctx, written+"last", "")
		return err == nil
	}, 20*time.Second, 100*time.Millisecond)
	for i, w := range l.watchers {
		assert.Eventually(t, func() bool { return w.seen.Load() >= last.Header.Revision }, 20*time.Second, 20*time.Millisecond, "watcher %d has not seen the last write", i)
	}
	for _, id := range l.ids {
		left, err := client.TimeToLive(ctx, id, clientv3.WithAttachedKeys())
		require.NoError(t, err)
		assert.Positive(t, left.TTL, "lease %x is gone", id)
		assert.Len(t, left.Keys, 1, "lease %x", id)
	}
	l.stop()
	require.NoError(t, l.running.Wait())
	l.judgeWrites(t, ctx, client)
	l.judgeWatches(t, last.Header.Revision)
	t.Logf("%d writes acknowledged, %d events for each of %d watchers, %d leases kept", len(l.mu.writes), len(l.watchers[0].events), len(l.watchers), len(l.ids))
}

// judgeWrites holds what is stored to what was acknowledged.
func (l *load) judgeWrites(t *testing.T, ctx context.Context, client *clientv3.Client) {
	t.Helper()
	stored, err := client.Get(ctx, written, clientv3.WithPrefix(), clientv3.WithKeysOnly())
	require.NoError(t, err)
	at := map[string]int64{}
	for _, kv := range stored.Kvs {
		at[string(kv.Key)] = kv.ModRevision
	}
	for key, revision := range l.mu.writes {
		if at[key] != revision {
			t.Errorf("%s was acknowledged at revision %d and is stored at %d", key, revision, at[key])
		}
	}
}

// judgeWatches holds each watcher's events to each other, to their order and to what was acknowledged.
func (l *load) judgeWatches(t *testing.T, last int64) {
	t.Helper()
	for i, w := range l.watchers {
		// Writes that came after the last one that was waited for may have reached some watchers only.
		w.events = slices.DeleteFunc(w.events, func(e *clientv3.Event) bool { return e.Kv.ModRevision > last })
		told := map[string]int64{}
		before := int64(0)
		for _, event := range w.events {
			require.Equal(t, mvccpb.Event_PUT, event.Type, "watcher %d: %s", i, event.Kv.Key)
			require.Greater(t, event.Kv.ModRevision, before, "watcher %d: %s comes twice, or late", i, event.Kv.Key)
			before = event.Kv.ModRevision
			told[string(event.Kv.Key)] = before
		}
		for key, revision := range l.mu.writes {
			if revision <= last && told[key] != revision {
				t.Errorf("watcher %d: %s was acknowledged at revision %d and told of at %d", i, key, revision, told[key])
			}
		}
		require.Len(t, w.events, len(l.watchers[0].events), "watcher %d", i)
	}
}
