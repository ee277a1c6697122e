package crash

import (
	"context"
	"fmt"
	"sync"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/quoratedb/quorate/tests/harness"
)

// change is all that happened at one revision, in order.
type change struct {
	revision int64
	events   []string
}

// history follows all keys through every restart, from the first revision on.
type history struct {
	client *clientv3.Client
	done   chan struct{}
	mu     struct {
		sync.Mutex
		changes []change
		err     error
	}
}

// follow watches until ctx ends.
func follow(ctx context.Context, endpoint string) (*history, error) {
	client, err := harness.Dial(endpoint)
	if err != nil {
		return nil, err
	}
	h := &history{client: client, done: make(chan struct{})}
	go func() {
		defer close(h.done)
		for resp := range client.Watch(ctx, "", clientv3.WithPrefix(), clientv3.WithRev(1)) {
			h.add(resp.Events, resp.Err())
		}
	}()
	return h, nil
}

// add takes a response's events, and checks that they go on from the ones before.
func (h *history) add(events []*clientv3.Event, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.mu.err != nil {
		return
	}
	h.mu.err = err
	for i, event := range events {
		last := int64(1)
		if n := len(h.mu.changes); n > 0 {
			last = h.mu.changes[n-1].revision
		}
		switch revision := event.Kv.ModRevision; {
		case revision == last+1:
			h.mu.changes = append(h.mu.changes, change{revision: revision})
		case revision == last && i > 0:
			// More of the revision that this response began.
		default:
			h.mu.err = fmt.Errorf("revision %d follows %d", revision, last)
			return
		}
		at := &h.mu.changes[len(h.mu.changes)-1]
		at.events = append(at.events, describe(event))
	}
}

func describe(event *clientv3.Event) string {
	if event.Type == mvccpb.Event_DELETE {
		return "DELETE " + string(event.Kv.Key)
	}
	return "PUT " + string(event.Kv.Key) + " " + string(event.Kv.Value)
}

// reach waits until the watch has seen a revision and returns everything up to it.
func (h *history) reach(ctx context.Context, revision int64) ([]change, error) {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		h.mu.Lock()
		changes, err := h.mu.changes, h.mu.err
		h.mu.Unlock()
		if err != nil {
			return nil, err
		}
		if n := len(changes); n > 0 && changes[n-1].revision >= revision {
			return changes, nil
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("the watch is at change %d and does not reach revision %d", len(changes), revision)
		case <-tick.C:
		}
	}
}

// seen is the newest revision that the watch has seen.
func (h *history) seen() int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	if n := len(h.mu.changes); n > 0 {
		return h.mu.changes[n-1].revision
	}
	return 1
}
