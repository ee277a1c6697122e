package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"google.golang.org/grpc"
)

// watching is one stream of watches of one store. A goroutine reads it until close.
type watching struct {
	stream pb.Watch_WatchClient
	cancel context.CancelFunc
	ended  chan struct{}
	mu     struct {
		sync.Mutex
		// control are the answers to requests and the ends of watches, in order.
		control []*pb.WatchResponse
		// events are what each watch was told since it was made; fragments has those of which the last answer was a part.
		events    map[int64][]*mvccpb.Event
		fragments map[int64]bool
		// torn names the watches that were told of one revision in several answers, not being fragments.
		torn []string
		// progressed is the newest revision up to which the stream has said that all its watches were told.
		progressed int64
		err        error
		// more is closed when something comes.
		more chan struct{}
	}
}

func watch(ctx context.Context, conn *grpc.ClientConn) (*watching, error) {
	ctx, cancel := context.WithCancel(ctx)
	stream, err := pb.NewWatchClient(conn).Watch(ctx, grpc.WaitForReady(true))
	if err != nil {
		cancel()
		return nil, err
	}
	w := &watching{stream: stream, cancel: cancel, ended: make(chan struct{})}
	w.mu.events, w.mu.fragments, w.mu.more = map[int64][]*mvccpb.Event{}, map[int64]bool{}, make(chan struct{})
	go w.read()
	return w, nil
}

func (w *watching) close() {
	w.cancel()
	<-w.ended
}

func (w *watching) read() {
	defer close(w.ended)
	for {
		response, err := w.stream.Recv()
		w.mu.Lock()
		if err != nil {
			w.mu.err = err
		} else {
			w.takeLocked(response)
		}
		close(w.mu.more)
		w.mu.more = make(chan struct{})
		w.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func (w *watching) takeLocked(response *pb.WatchResponse) {
	id := response.WatchId
	if response.Created || response.Canceled {
		w.mu.control = append(w.mu.control, response)
		if response.Created && !response.Canceled {
			delete(w.mu.events, id)
		}
		return
	}
	if len(response.Events) == 0 {
		w.mu.progressed = max(w.mu.progressed, response.Header.GetRevision())
		return
	}
	told := w.mu.events[id]
	if len(told) > 0 && !w.mu.fragments[id] && told[len(told)-1].Kv.ModRevision >= response.Events[0].Kv.ModRevision {
		w.mu.torn = append(w.mu.torn, fmt.Sprintf("watch %d is told of revision %d after %d", id, response.Events[0].Kv.ModRevision, told[len(told)-1].Kv.ModRevision))
	}
	w.mu.events[id], w.mu.fragments[id] = append(told, response.Events...), response.Fragment
}

// errLate is the end of waiting for what a stream does not tell.
var errLate = errors.New("nothing more comes")

// await waits until the stream has told enough, as told by a function that is called under the lock.
func (w *watching) await(enoughLocked func() bool) error {
	return w.awaitFor(answerWithin, enoughLocked)
}

func (w *watching) awaitFor(within time.Duration, enoughLocked func() bool) error {
	timer := time.NewTimer(within)
	defer timer.Stop()
	for {
		w.mu.Lock()
		enough, err, more := enoughLocked(), w.mu.err, w.mu.more
		w.mu.Unlock()
		switch {
		case enough:
			return nil
		case err != nil:
			return err
		}
		select {
		case <-more:
		case <-timer.C:
			return errLate
		}
	}
}

// controlled waits for the answer to a request, or the end of a watch, that is the n-th on the stream.
func (w *watching) controlled(n int) (*pb.WatchResponse, error) {
	err := w.await(func() bool { return len(w.mu.control) > n })
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.mu.control[n], nil
}

// askAgainAfter is how long a stream has to say how far it is before it is asked again: etcd says nothing while it is behind.
const askAgainAfter = 50 * time.Millisecond

// progress asks until the stream says that all its watches were told of everything up to a revision.
func (w *watching) progress(revision int64) error {
	request := &pb.WatchRequest{RequestUnion: &pb.WatchRequest_ProgressRequest{ProgressRequest: &pb.WatchProgressRequest{}}}
	for begin := time.Now(); ; {
		if err := w.stream.Send(request); err != nil {
			return err
		}
		err := w.awaitFor(askAgainAfter, func() bool { return w.mu.progressed >= revision })
		if !errors.Is(err, errLate) || time.Since(begin) > answerWithin {
			return err
		}
	}
}

func (w *watching) controls() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.mu.control)
}

// told waits until a watch was told of n events, and returns what it was told until then or until no more came.
func (w *watching) told(id int64, n int) []*mvccpb.Event {
	_ = w.await(func() bool { return len(w.mu.events[id]) >= n }) // the number tells
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.mu.events[id])
}

// toldUntil waits until a watch was told of a revision and returns all that it was told.
func (w *watching) toldUntil(id, revision int64) []*mvccpb.Event {
	_ = w.await(func() bool { // what is missing tells
		told := w.mu.events[id]
		return len(told) > 0 && told[len(told)-1].Kv.ModRevision >= revision
	})
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.mu.events[id])
}

func (w *watching) tears() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.mu.torn)
}

// wanted are those of a history's events that a watch must be told of.
func wanted(history []*mvccpb.Event, create *pb.WatchCreateRequest, from int64) int {
	n := 0
	key := create.Key
	if len(key) == 0 {
		// No key means the least one.
		key = []byte{0}
	}
	for _, e := range history {
		filtered := slices.ContainsFunc(create.Filters, func(f pb.WatchCreateRequest_FilterType) bool {
			return (f == pb.WatchCreateRequest_NOPUT) == (e.Type == mvccpb.Event_PUT)
		})
		if e.Kv.ModRevision >= from && !filtered && within(e.Kv.Key, key, create.RangeEnd) {
			n++
		}
	}
	return n
}

// within reports whether a key is in a range.
func within(key, from, end []byte) bool {
	switch {
	case len(end) == 0:
		return bytes.Equal(key, from)
	case bytes.Equal(end, []byte{0}):
		return bytes.Compare(key, from) >= 0
	}
	return bytes.Compare(key, from) >= 0 && bytes.Compare(key, end) < 0
}

// unequalEvents names how what two watches were told differs.
func unequalEvents(etcd, ours []*mvccpb.Event) []string {
	return unequal("", (&pb.WatchResponse{Events: etcd}).ProtoReflect(), (&pb.WatchResponse{Events: ours}).ProtoReflect())
}
