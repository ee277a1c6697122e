package crash

import (
	"context"
	"math/rand/v2"
	"os"
	"sort"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/quoratedb/quorate/tests/harness"
)

const (
	// killsWithCompaction is how often the member is killed while it compacts.
	killsWithCompaction = 10
	// lifeMin and lifeMax bound how long the member may work before it is killed.
	lifeMin, lifeMax = 50 * time.Millisecond, 700 * time.Millisecond
	// historyKept is what the compaction leaves to the watch, in revisions.
	historyKept = 300
)

// run is one test: a member, its load and its watch.
type run struct {
	t       *testing.T
	server  *harness.Server
	client  *clientv3.Client
	random  *rand.Rand
	writers []*writer
	history *history
	// slowest is the longest that a restart took until it served.
	slowest time.Duration
}

func begin(t *testing.T) *run {
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv("QUORATE_SEED"); text != "" {
		var err error
		seed, err = strconv.ParseUint(text, 10, 64)
		require.NoError(t, err)
	}
	t.Logf("QUORATE_SEED=%d", seed)
	r := &run{t: t, server: harness.Run(t), random: rand.New(rand.NewPCG(seed, 0))}
	r.client = harness.Client(t, r.server)
	ctx, stop := context.WithCancel(context.Background())
	var working sync.WaitGroup
	for id := range writers {
		w, err := newWriter(id, seed, r.server.Endpoint())
		require.NoError(t, err)
		r.writers = append(r.writers, w)
		working.Go(func() { w.run(ctx) })
	}
	watching, unwatch := context.WithCancel(context.Background())
	var err error
	r.history, err = follow(watching, r.server.Endpoint())
	require.NoError(t, err)
	t.Cleanup(func() {
		stop()
		working.Wait()
		unwatch()
		<-r.history.done
		for _, w := range r.writers {
			w.client.Close()
		}
		r.history.client.Close()
	})
	return r
}

// kill lets the member work for a while, kills it, starts it again and checks what it still knows.
func (r *run) kill(ctx context.Context) {
	r.t.Helper()
	select {
	case <-time.After(lifeMin + time.Duration(r.random.Int64N(int64(lifeMax-lifeMin)))):
	case <-ctx.Done():
		require.NoError(r.t, ctx.Err())
	}
	r.server.Kill()
	// What each writer knows now happened in the life that has ended.
	var before [][]attempt
	for _, w := range r.writers {
		before = append(before, w.tried())
	}
	restart := time.Now()
	require.NoError(r.t, r.server.Start(ctx))
	r.slowest = max(r.slowest, time.Since(restart))
	for i, attempts := range before {
		r.check(ctx, i, attempts)
	}
}

// check compares a writer's keys with what they may be. The writer goes on meanwhile, so a key may also have what it has tried since.
func (r *run) check(ctx context.Context, id int, before []attempt) {
	r.t.Helper()
	resp, err := r.client.Get(ctx, r.writers[id].key(0)[:3], clientv3.WithPrefix())
	require.NoError(r.t, err)
	found := map[string]string{}
	for _, kv := range resp.Kvs {
		found[string(kv.Key)] = string(kv.Value)
	}
	after := map[string]map[string]bool{}
	for _, a := range r.writers[id].tried()[len(before):] {
		for _, key := range append(a.puts, a.deletes...) {
			if after[key] == nil {
				after[key] = map[string]bool{}
			}
		}
		for _, key := range a.puts {
			after[key][strconv.Itoa(a.sequence)] = true
		}
		for _, key := range a.deletes {
			after[key][""] = true
		}
	}
	for key, values := range possible(before) {
		require.True(r.t, values[found[key]] || after[key][found[key]], "%s is %q after the restart, and should be one of %v", key, found[key], values)
	}
}

// settle stops nothing, but waits until the watch has seen everything up to now, and returns it.
func (r *run) settle(ctx context.Context) []change {
	r.t.Helper()
	resp, err := r.client.Get(ctx, "none")
	require.NoError(r.t, err)
	changes, err := r.history.reach(ctx, resp.Header.Revision)
	require.NoError(r.t, err)
	return changes
}

// judge compares what the writers were told with what the watch has seen: each acknowledged write is there once, where it was said to be;
// one without an answer at most once; and nothing is there that nobody wrote.
func (r *run) judge(changes []change) {
	r.t.Helper()
	at := map[string]int64{}
	for _, c := range changes {
		for _, event := range c.events {
			if strings.HasPrefix(event, "PUT ") {
				require.Zero(r.t, at[event], "%s happened twice", event)
				at[event] = c.revision
			}
		}
	}
	last := changes[len(changes)-1].revision
	acked, unanswered := 0, 0
	for _, w := range r.writers {
		for _, a := range w.tried() {
			if a.acked {
				acked++
			} else {
				unanswered++
			}
			for _, event := range a.events() {
				if a.acked && a.revision <= last {
					require.Equal(r.t, a.revision, at[event], "%s was acknowledged", event)
				}
				delete(at, event)
			}
			if a.acked && a.revision != 0 && a.revision <= last {
				var deleted []string
				for _, event := range changes[a.revision-changes[0].revision].events {
					if key, ok := strings.CutPrefix(event, "DELETE "); ok {
						deleted = append(deleted, key)
					}
				}
				require.Subset(r.t, a.deletes, deleted, "revision %d", a.revision)
			}
		}
	}
	var strange []string
	for event := range at {
		strange = append(strange, event)
	}
	sort.Strings(strange)
	require.Empty(r.t, strange, "nobody wrote this")
	require.Greater(r.t, acked, 100, "too little load to tell anything")
	r.t.Logf("%d writes acknowledged, %d not answered, %d revisions seen, the slowest restart took %v", acked, unanswered, len(changes), r.slowest)
}

func kills(t *testing.T) int {
	if text := os.Getenv("QUORATE_CRASH_KILLS"); text != "" {
		n, err := strconv.Atoi(text)
		require.NoError(t, err)
		return n
	}
	return 50
}

// Goal: a member that is killed loses no acknowledged write, and a watch across all its lives misses, doubles and reorders nothing and sees nothing
// that is taken back. Method: kill it under load again and again, check the keys after each restart; at the end compare the one watch with a second
// that reads the whole history afresh, and both with what the writers were told.
func TestKillUnderLoad(t *testing.T) {
	r := begin(t)
	lives := kills(t)
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(lives)*10*time.Second)
	defer cancel()
	for range lives {
		r.kill(ctx)
	}
	seen := r.settle(ctx)
	again, stop := context.WithCancel(ctx)
	fresh, err := follow(again, r.server.Endpoint())
	require.NoError(t, err)
	read, err := fresh.reach(ctx, seen[len(seen)-1].revision)
	require.NoError(t, err)
	stop()
	<-fresh.done
	fresh.client.Close()
	require.Equal(t, seen, read[:len(seen)], "the watch across the restarts saw another history than is stored")
	r.judge(seen)
}

// Goal: a crash while history is compacted takes nothing with it but that history. Method: as above, with a client that compacts all the time, just
// behind the watch.
func TestKillWhileCompacting(t *testing.T) {
	r := begin(t)
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	compacting, stop := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for compacting.Err() == nil {
			if at := r.history.seen() - historyKept; at > 1 {
				_, _ = r.client.Compact(compacting, at, clientv3.WithCompactPhysical())
			}
			select {
			case <-compacting.Done():
			case <-time.After(20 * time.Millisecond):
			}
		}
	}()
	defer func() {
		stop()
		<-done
	}()
	for range killsWithCompaction {
		r.kill(ctx)
	}
	r.judge(r.settle(ctx))
}
