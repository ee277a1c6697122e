// Package readturns has reads of many rows go on by turns, so that a thousand of them take no more processors at a time than one would. It knows nothing of
// what is read.
package readturns

import (
	"container/list"
	"context"
	"runtime"
	"sync"
)

const (
	// rowsAtOnce is how many rows a request reads before it needs a place: what most requests read, and little beside the rest of their work.
	rowsAtOnce = 128
	// RowsAStretch is how many it reads then before others have their turn, some half a millisecond, and between two looks at its context.
	RowsAStretch = 1024
	// stretchesFew are those of a read that has only begun.
	stretchesFew = 4
)

// Turns gives places to those who read much. The runtime would have each of a thousand who read wait for all others, and so whoever wants to put a
// single key, at each of the dozen times that a put is handed on.
//
// Who has just begun and who has read much already have turns alternately: a page of a list does not wait for those who read all there is.
type Turns struct {
	mu struct {
		sync.Mutex
		free int
		// begun and long have a channel for each who waits, closed when the place is theirs.
		begun, long list.List
		// longNext is set when it is the turn of the latter.
		longNext bool
	}
}

// New has one place less than there are processors, but one at least: the rest of the process needs one at any time.
func New() *Turns {
	t := &Turns{}
	t.mu.free = max(1, runtime.GOMAXPROCS(0)-1)
	return t
}

type readKey struct{}

// Read is what one request reads. It is for one goroutine. Rest must end it.
type Read struct {
	turns *Turns
	// left is how many rows may be read until step is due.
	left      int
	stretches int
	holds     bool
}

// With returns a context by which Of finds what the request reads.
func (t *Turns) With(ctx context.Context) (context.Context, *Read) {
	r := &Read{turns: t, left: rowsAtOnce}
	return context.WithValue(ctx, readKey{}, r), r
}

// Of returns what the request of ctx reads. Where nothing has to wait for others, it is a read that never does.
func Of(ctx context.Context) *Read {
	if r, ok := ctx.Value(readKey{}).(*Read); ok {
		return r
	}
	return &Read{left: RowsAStretch}
}

// Row is to be called for each row. It waits for a place when it is time to, and fails when ctx has ended.
func (r *Read) Row(ctx context.Context) error {
	if r.left--; r.left > 0 {
		return nil
	}
	return r.step(ctx)
}

func (r *Read) step(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	r.left = RowsAStretch
	if r.turns == nil {
		return nil
	}
	r.stretches++
	return r.turns.turn(ctx, r)
}

// Rest gives the place back until the next row, for whoever is about to wait, or has read all.
func (r *Read) Rest() {
	if !r.holds {
		return
	}
	r.turns.mu.Lock()
	defer r.turns.mu.Unlock()
	r.turns.passLocked()
	r.holds, r.left = false, 1
}

// turn gives the reader's place to who waits, and waits for the next.
func (t *Turns) turn(ctx context.Context, r *Read) error {
	t.mu.Lock()
	waiting := t.mu.begun.Len() + t.mu.long.Len()
	switch {
	case r.holds && waiting == 0:
		t.mu.Unlock()
		return nil
	case !r.holds && t.mu.free > 0:
		t.mu.free--
		r.holds = true
		t.mu.Unlock()
		return nil
	}
	line := &t.mu.begun
	if r.stretches > stretchesFew {
		line = &t.mu.long
	}
	mine := make(chan struct{})
	place := line.PushBack(mine)
	if r.holds {
		t.passLocked()
		r.holds = false
	}
	t.mu.Unlock()
	select {
	case <-mine:
		r.holds = true
		return nil
	case <-ctx.Done():
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	select {
	case <-mine:
		t.passLocked()
	default:
		line.Remove(place)
	}
	return context.Cause(ctx)
}

// passLocked gives a place to the next who waits.
func (t *Turns) passLocked() {
	line := &t.mu.begun
	if t.mu.longNext && t.mu.long.Len() > 0 || line.Len() == 0 {
		line = &t.mu.long
	}
	next := line.Front()
	if next == nil {
		t.mu.free++
		return
	}
	t.mu.longNext = line == &t.mu.begun
	close(line.Remove(next).(chan struct{}))
}
