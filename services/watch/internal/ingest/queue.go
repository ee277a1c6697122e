package ingest

import (
	"context"
	"sync"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/watch/internal/memorysize"
)

// queue holds the commits between the feed and the publisher, in order. One goroutine adds, one takes.
type queue struct {
	bytesMax int
	filled   chan struct{} // a token when there is something to take
	drained  chan struct{} // a token when there is room again
	mu       struct {
		sync.Mutex
		commits []*consensusv1.Commit
		bytes   int
		reached int64 // the revision after everything queued
	}
}

func newQueue(bytesMax int) *queue {
	return &queue{bytesMax: bytesMax, filled: make(chan struct{}, 1), drained: make(chan struct{}, 1)}
}

// add appends commits, which must not be empty, and waits while the queue is over its limit.
func (q *queue) add(ctx context.Context, commits []*consensusv1.Commit) error {
	bytes := 0
	for _, commit := range commits {
		bytes += memorysize.Commit(commit)
	}
	q.mu.Lock()
	q.mu.commits = append(q.mu.commits, commits...)
	q.mu.bytes += bytes
	q.mu.reached = commits[len(commits)-1].Revision
	full := q.mu.bytes > q.bytesMax
	q.mu.Unlock()
	token(q.filled)
	for full {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-q.drained:
		}
		q.mu.Lock()
		full = q.mu.bytes > q.bytesMax
		q.mu.Unlock()
	}
	return nil
}

// leap drops what is queued and goes on after a later revision.
func (q *queue) leap(revision int64) {
	q.mu.Lock()
	q.mu.commits, q.mu.bytes, q.mu.reached = nil, 0, revision
	q.mu.Unlock()
	token(q.filled)
}

// take removes commits up to about bytesMax, at least one if there is any, and returns the revision that they reach,
// 0 before anything was added.
func (q *queue) take(bytesMax int) (commits []*consensusv1.Commit, reached int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	n, bytes := 0, 0
	for n < len(q.mu.commits) && (n == 0 || bytes < bytesMax) {
		bytes += memorysize.Commit(q.mu.commits[n])
		n++
	}
	if n == len(q.mu.commits) {
		commits, q.mu.commits = q.mu.commits, nil
		reached = q.mu.reached
	} else {
		commits, q.mu.commits = q.mu.commits[:n:n], q.mu.commits[n:]
		reached = commits[n-1].Revision
	}
	q.mu.bytes -= bytes
	token(q.drained)
	return commits, reached
}

func token(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
