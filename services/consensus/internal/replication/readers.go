package replication

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/quoratedb/quorate/pkg/errdefs"
)

// readers are those who wait for a read index, on goroutines of their own.
type readers struct {
	wake chan struct{} // tells the replica's loop that a group waits

	mu struct {
		sync.Mutex
		*readIndexes
		groups  map[uint64]*readGroup
		stopped error // set once no answer will come any more
	}
}

// readGroup is the reads that share one read index.
type readGroup struct {
	done chan struct{} // closed once the state is fit to read, or err is set
	err  error
}

func newReaders(indexes *readIndexes) *readers {
	r := &readers{wake: make(chan struct{}, 1)}
	r.mu.readIndexes = indexes
	r.mu.groups = make(map[uint64]*readGroup)
	return r
}

// wait blocks until the applied state includes everything that was committed when it was called.
func (r *readers) wait(ctx context.Context) error {
	group, err := r.join()
	if err != nil {
		return err
	}
	select {
	case <-group.done:
		return group.err
	case <-ctx.Done():
		return fmt.Errorf("wait for a read index: %w", context.Cause(ctx))
	}
}

func (r *readers) join() (*readGroup, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.mu.stopped; err != nil {
		return nil, err
	}
	id, first := r.mu.readIndexes.join()
	if first {
		r.mu.groups[id] = &readGroup{done: make(chan struct{})}
		nudge(r.wake)
	}
	return r.mu.groups[id], nil
}

func (r *readers) start(now time.Time) (id []byte, early time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.mu.readIndexes.start(now)
}

func (r *readers) unanswered() [][]byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.mu.readIndexes.unanswered()
}

// answer takes raft's read index for a question.
func (r *readers) answer(id []byte, index uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if group, released := r.mu.readIndexes.answer(id, index); released {
		r.releaseLocked(group)
	}
}

// advance tells that the state includes everything up to applied.
func (r *readers) advance(applied uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, group := range r.mu.readIndexes.advance(applied) {
		r.releaseLocked(group)
	}
}

func (r *readers) releaseLocked(group uint64) {
	if g := r.mu.groups[group]; g != nil { // all have gone when the member stops
		close(g.done)
		delete(r.mu.groups, group)
	}
}

// reached is closed once the state includes everything up to index, or the member stops. Who waited calls leave.
func (r *readers) reached(index uint64) (done <-chan struct{}, leave func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	group := &readGroup{done: make(chan struct{})}
	if r.mu.stopped != nil {
		return group.done, func() {}
	}
	id, reached := r.mu.await(index)
	if reached {
		close(group.done)
		return group.done, func() {}
	}
	r.mu.groups[id] = group
	return group.done, func() { r.forget(id) }
}

func (r *readers) forget(id uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.mu.readIndexes.forget(id)
	delete(r.mu.groups, id)
}

// stop fails every read that waits and all to come.
func (r *readers) stop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.mu.stopped != nil {
		return
	}
	r.mu.stopped = fmt.Errorf("wait for a read index: %w", errdefs.ErrStopped)
	for id, group := range r.mu.groups {
		group.err = r.mu.stopped
		r.releaseLocked(id)
	}
}
