package v3

import (
	"context"
	"sync"

	"go.etcd.io/etcd/api/v3/etcdserverpb"

	"github.com/quoratedb/quorate/pkg/budget"
)

// watch is one watch of a stream. It does not change, but for its rights.
type watch struct {
	// id is the client's, session the watch service's.
	id, session int64
	// startRevision is what the client asked for, 0 for now.
	startRevision int64
	fragment      bool
	rights        rights
	// places is how many it has among the open watches. Its stream's watchIDs guard it.
	places int
}

// control is an answer to a request of the client, and what it means for the sender's table of watches.
type control struct {
	answer *etcdserverpb.WatchResponse
	begins *watch
	ends   *watch
}

// controlQueue hands controls from the reader to the sender and wakes the sender for them.
type controlQueue struct {
	stream   context.Context // ends with the stream
	controls chan control

	mu struct {
		sync.Mutex
		// wait ends when a control was put after it was made.
		wait context.Context
		wake context.CancelFunc
	}
}

func newControlQueue(stream context.Context) *controlQueue {
	q := &controlQueue{stream: stream, controls: make(chan control, controlsMax)}
	q.mu.wait, q.mu.wake = context.WithCancel(stream)
	return q
}

// put queues a control, waiting while the queue is full. It fails once the stream has ended.
func (q *controlQueue) put(c control) error {
	select {
	case q.controls <- c:
	case <-q.stream.Done():
		return context.Cause(q.stream)
	}
	q.wakeUp()
	return nil
}

// wakeUp ends what waiter has returned.
func (q *controlQueue) wakeUp() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.mu.wake()
}

// waiter returns a context to wait in. It ends as soon as there is a control that get would not have returned if it
// had been called, until there was none, after waiter; or when wakeUp is called.
func (q *controlQueue) waiter() context.Context {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.mu.wait.Err() != nil {
		q.mu.wait, q.mu.wake = context.WithCancel(q.stream)
	}
	return q.mu.wait
}

// get returns the oldest control, if there is one.
func (q *controlQueue) get() (control, bool) {
	select {
	case c := <-q.controls:
		return c, true
	default:
		return control{}, false
	}
}

// watchIDs holds the ids of a stream's watches. The reader hands them out; both the reader and the sender end watches.
type watchIDs struct {
	mu struct {
		sync.Mutex
		watches map[int64]*watch
		// next is where the search for a free id starts.
		next int64
		// lastSession is the newest session id.
		lastSession int64
		// over is set once the stream is: what begins then has no places.
		over bool
	}
	open *budget.Shared
	// connection is the stream's.
	connection *budget.Share
}

func newWatchIDs(open *budget.Shared, connection *budget.Share) *watchIDs {
	ids := &watchIDs{open: open, connection: connection}
	ids.mu.watches = make(map[int64]*watch)
	return ids
}

// take takes so many places for a watch, which release gives back until it has begun, and tells whether there were as many.
func (ids *watchIDs) take(w *watch, places int) bool {
	ids.mu.Lock()
	defer ids.mu.Unlock()
	if ids.mu.over {
		return true
	}
	if !ids.open.TakeMany(ids.connection, places) {
		return false
	}
	w.places = places
	return true
}

// release gives the places of a watch back that does not begin.
func (ids *watchIDs) release(w *watch) {
	ids.mu.Lock()
	defer ids.mu.Unlock()
	ids.releaseLocked(w)
}

func (ids *watchIDs) releaseLocked(w *watch) {
	if w.places > 0 {
		ids.open.LeaveMany(ids.connection, w.places)
		w.places = 0
	}
}

// begin completes a watch with a session id and, unless it comes with an id, a free one. It returns false when the id
// that it comes with is taken. Zero cannot be chosen: it asks for a free one.
func (ids *watchIDs) begin(w *watch) bool {
	ids.mu.Lock()
	defer ids.mu.Unlock()
	if w.id == 0 {
		for ids.mu.watches[ids.mu.next] != nil {
			ids.mu.next++
		}
		w.id = ids.mu.next
		ids.mu.next++
	} else if ids.mu.watches[w.id] != nil {
		return false
	}
	ids.mu.lastSession++
	w.session = ids.mu.lastSession
	ids.mu.watches[w.id] = w
	if ids.mu.over {
		ids.releaseLocked(w)
	}
	return true
}

// close ends all watches, with the stream.
func (ids *watchIDs) close() {
	ids.mu.Lock()
	defer ids.mu.Unlock()
	ids.mu.over = true
	for _, w := range ids.mu.watches {
		ids.releaseLocked(w)
	}
	clear(ids.mu.watches)
}

// end frees a client's id and returns the watch that had it, nil if none had.
func (ids *watchIDs) end(id int64) *watch {
	ids.mu.Lock()
	defer ids.mu.Unlock()
	w := ids.mu.watches[id]
	if w != nil {
		ids.freeLocked(w)
	}
	return w
}

// ended frees the id of a watch that has ended by itself, unless it has a new owner already.
func (ids *watchIDs) ended(w *watch) {
	ids.mu.Lock()
	defer ids.mu.Unlock()
	if ids.mu.watches[w.id] == w {
		ids.freeLocked(w)
	}
}

func (ids *watchIDs) freeLocked(w *watch) {
	delete(ids.mu.watches, w.id)
	ids.releaseLocked(w)
}

func (ids *watchIDs) none() bool {
	ids.mu.Lock()
	defer ids.mu.Unlock()
	return len(ids.mu.watches) == 0
}
