package workload

import (
	"context"
	"math/rand/v2"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/quoratedb/quorate/tests/faults/chaos/history"
)

const (
	// sessionMin and sessionSpread say how long a watcher that moves stays at one member.
	sessionMin, sessionSpread = time.Second, 6 * time.Second
	// askProgress is the time between two requests for progress on a stream.
	askProgress = 1500 * time.Millisecond
)

// watcher watches a prefix over many sessions. One that moves takes another member for each, and ends them by itself too; one that stays leaves it to
// the client library to find its member again.
type watcher struct {
	history.Watcher
	// clients are those it takes in turn, at random; spare are more, which may reach nobody.
	clients  []*clientv3.Client
	spare    []*clientv3.Client
	moves    bool
	random   *rand.Rand
	begin    time.Time
	response int
	// finish is closed once Reached is set; the watcher ends when it has got there.
	finish chan struct{}
}

// run watches until it has got everything up to Reached, or ctx ends.
func (w *watcher) run(ctx context.Context) {
	for ctx.Err() == nil && !w.session(ctx) {
		select {
		case <-ctx.Done():
		case <-time.After(pauseAfterError):
		}
	}
}

// session watches on one stream until that ends. It reports whether the watcher has got everything.
func (w *watcher) session(ctx context.Context) bool {
	w.Sessions++
	ctx, cancel := w.sessionContext(ctx)
	defer cancel()
	etcd := w.choose()
	// A watcher of the client that it shares would share its stream too.
	watching := clientv3.NewWatcher(etcd)
	defer watching.Close()
	responses := watching.Watch(ctx, w.Prefix, clientv3.WithPrefix(), clientv3.WithPrevKV(), clientv3.WithProgressNotify(), clientv3.WithRev(w.next()))
	progress := time.NewTicker(askProgress)
	defer progress.Stop()
	finish := w.finish
	for {
		select {
		case <-progress.C:
			_ = watching.RequestProgress(ctx)
		case <-finish:
			finish = nil
			if w.next() > w.Reached {
				return true
			}
		case resp, open := <-responses:
			if !open {
				return false
			}
			w.take(resp)
			if finish == nil && w.next() > w.Reached {
				return true
			}
		}
	}
}

// sessionContext ends, for a watcher that moves, when it is time to move. A member that has lost its leader ends the stream before, so that
// the watcher goes to another.
func (w *watcher) sessionContext(ctx context.Context) (context.Context, context.CancelFunc) {
	if !w.moves {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(clientv3.WithRequireLeader(ctx), sessionMin+time.Duration(w.random.Int64N(int64(sessionSpread))))
}

// choose takes a client for a session, in the end one of a member.
func (w *watcher) choose() *clientv3.Client {
	clients := w.clients
	select {
	case <-w.finish:
	default:
		clients = append(clients[:len(clients):len(clients)], w.spare...)
	}
	return clients[w.random.IntN(len(clients))]
}

// next is the revision from which a new session has to watch.
func (w *watcher) next() int64 {
	if n := len(w.Events); n > 0 {
		return w.Events[n-1].Mod + 1
	}
	return w.From
}

func (w *watcher) take(resp clientv3.WatchResponse) {
	if resp.CompactRevision != 0 {
		w.Errors = append(w.Errors, "compacted, though nobody compacts")
	}
	if resp.IsProgressNotify() {
		w.Progress = append(w.Progress, history.Progress{Revision: resp.Header.Revision, Events: len(w.Events)})
		return
	}
	at := time.Since(w.begin)
	w.response++
	for _, ev := range resp.Events {
		w.Events = append(w.Events, history.Seen{Event: event(ev), At: at, Response: w.response})
	}
}

func event(ev *clientv3.Event) history.Event {
	e := history.Event{Delete: ev.Type == mvccpb.Event_DELETE, Entry: entry(ev.Kv)}
	if ev.PrevKv != nil {
		prev := entry(ev.PrevKv)
		e.Prev = &prev
	}
	return e
}
