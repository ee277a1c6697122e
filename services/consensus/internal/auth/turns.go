package auth

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/quoratedb/quorate/pkg/errdefs"
)

// turns lets few at a time do what takes long, and the others wait: by turns of where they come from, so that whoever sends ten thousand wrong
// passwords waits for them, and somebody else for one of them. Where too many wait, the last one leaves of the origin that most are of.
type turns struct {
	most int
	mu   struct {
		sync.Mutex
		free, waiting int
		// origins are those that somebody waits of, the next one first.
		origins []string
		queues  map[string][]*turn
	}
}

// turn is of one who waits. mine is set, under the lock, before done is closed, unless too many wait.
type turn struct {
	done chan struct{}
	mine bool
}

func newTurns(places, most int) *turns {
	t := &turns{most: most}
	t.mu.free, t.mu.queues = places, make(map[string][]*turn)
	return t
}

// enter waits for a turn, which leave ends: errdefs.ErrTooManyRequests, or why ctx has ended.
func (t *turns) enter(ctx context.Context, origin string) error {
	t.mu.Lock()
	if t.mu.free > 0 {
		t.mu.free--
		t.mu.Unlock()
		return nil
	}
	if t.mu.waiting == t.most {
		t.giveUpLocked(origin)
	}
	w := &turn{done: make(chan struct{})}
	if t.mu.waiting == t.most {
		t.mu.Unlock()
		return t.tooMany()
	}
	t.mu.waiting++
	if len(t.mu.queues[origin]) == 0 {
		t.mu.origins = append(t.mu.origins, origin)
	}
	t.mu.queues[origin] = append(t.mu.queues[origin], w)
	t.mu.Unlock()
	select {
	case <-w.done:
	case <-ctx.Done():
		if t.abandon(origin, w) {
			return fmt.Errorf("wait for other log-ins: %w", context.Cause(ctx))
		}
	}
	if !w.mine {
		return t.tooMany()
	}
	return nil
}

func (t *turns) tooMany() error {
	return fmt.Errorf("%d log-ins are waiting: %w", t.most, errdefs.ErrTooManyRequests)
}

// leave ends a turn, and begins that of the next.
func (t *turns) leave() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.mu.origins) == 0 {
		t.mu.free++
		return
	}
	origin := t.mu.origins[0]
	w := t.mu.queues[origin][0]
	w.mine = true
	t.removeLocked(origin, 0)
	if t.mu.queues[origin] != nil { // the others first
		t.mu.origins = append(t.mu.origins[1:], origin)
	}
}

// giveUpLocked makes room by the last one of the origin that most wait of, if that is more than wait of another one.
func (t *turns) giveUpLocked(but string) {
	longest := but
	for origin, queue := range t.mu.queues {
		if len(queue) > len(t.mu.queues[longest]) {
			longest = origin
		}
	}
	if longest != but {
		t.removeLocked(longest, len(t.mu.queues[longest])-1)
	}
}

// abandon forgets one who does not wait any more. It returns false if their turn has come, or has been given up, meanwhile.
func (t *turns) abandon(origin string, w *turn) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	at := slices.Index(t.mu.queues[origin], w)
	if at < 0 {
		return false
	}
	t.removeLocked(origin, at)
	return true
}

// removeLocked takes one out of their queue, and tells them.
func (t *turns) removeLocked(origin string, at int) {
	queue := t.mu.queues[origin]
	close(queue[at].done)
	t.mu.waiting--
	if len(queue) == 1 {
		delete(t.mu.queues, origin)
		t.mu.origins = slices.DeleteFunc(t.mu.origins, func(o string) bool { return o == origin })
		return
	}
	if at == 0 {
		queue[0] = nil
		t.mu.queues[origin] = queue[1:]
		return
	}
	t.mu.queues[origin] = slices.Delete(queue, at, at+1)
}
