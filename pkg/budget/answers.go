package budget

import (
	"context"
	"slices"
	"sync"
	"time"
)

const (
	// answersDefault is what answers may hold where the process has no limit, answersPart the part of a limit that is theirs.
	answersDefault = 64 << 20
	answersPart    = 8
	// unreadMax is how long a client may take to read an answer that others wait for, less than a read may wait at all;
	// unreadCheck is how often who waits looks for such.
	unreadMax   = 5 * time.Second
	unreadCheck = time.Second
	// unreadBytesPerSecond is how slow a client may be beyond that.
	unreadBytesPerSecond = 1 << 20
	// AnswerStep is in what steps an answer's memory is asked for: smaller ones are not counted.
	AnswerStep = 64 << 10
)

// Answers bounds what the answers of a process hold, from their reading until a client has taken them. Reads wait for
// room, in the middle of reading too; nothing that raft does is an answer.
//
// A single answer may be larger than all the room there is: one at a time may go beyond it, until it has been taken. So
// reads cannot wait for each other for ever. They could for clients that do not read, so a client that has not taken an
// answer for unreadMax while others wait is dropped.
type Answers struct {
	max int64

	mu struct {
		sync.Mutex
		held int64
		// beyond is the answer that may go beyond max.
		beyond *Answer
		// unread are answers on their way to clients, oldest first.
		unread []*Answer
		// changed is closed when memory comes back, nil while nobody waits.
		changed chan struct{}
		dropped uint64
	}
}

// NewAnswers has room for max bytes, and for 0 for what is usual, or less where the process has a limit.
func NewAnswers(max int64) *Answers {
	if max == 0 {
		max = answersDefault
		max = min(max, Limit()/answersPart)
	}
	return &Answers{max: max}
}

// Held is how many bytes answers hold now, Dropped how many clients were dropped for not reading.
func (a *Answers) Held() (bytes int64, dropped uint64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.mu.held, a.mu.dropped
}

// Answer is what one answer holds. Release must end it.
type Answer struct {
	all *Answers
	// copies is how often what is counted is in memory at the same time.
	copies int64
	bytes  int64
	since  time.Time
	drop   func()
	// ended is set by Release: a call that was given up may still read for it.
	ended bool
	// reusable is set by Reusable, until Encoded, which calls whenEncoded.
	reusable    bool
	whenEncoded []func()
}

type answerKey struct{}

// New returns an answer that is in memory so many times until it is sent.
func (a *Answers) New(copies int64) *Answer { return &Answer{all: a, copies: copies} }

// With returns a context with which Grow counts for the answer.
func (r *Answer) With(ctx context.Context) context.Context {
	return context.WithValue(ctx, answerKey{}, r)
}

// Grow waits until the answer of ctx may hold n bytes more, or until ctx ends. It does nothing without such an answer.
func Grow(ctx context.Context, n int64) error {
	answer, ok := ctx.Value(answerKey{}).(*Answer)
	if !ok {
		return nil
	}
	return answer.grow(ctx, n*answer.copies)
}

func (r *Answer) grow(ctx context.Context, n int64) error {
	for {
		changed, ok := r.tryGrow(n)
		if ok {
			return nil
		}
		select {
		case <-changed:
		case <-time.After(unreadCheck):
			r.all.dropUnread(time.Now())
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// tryGrow takes the memory, or returns what is closed when it is worth trying again.
func (r *Answer) tryGrow(n int64) (<-chan struct{}, bool) {
	a := r.all
	a.mu.Lock()
	defer a.mu.Unlock()
	if r.ended {
		return nil, true
	}
	if a.mu.held+n > a.max && a.mu.beyond != r {
		if a.mu.beyond != nil {
			if a.mu.changed == nil {
				a.mu.changed = make(chan struct{})
			}
			return a.mu.changed, false
		}
		a.mu.beyond = r
	}
	a.mu.held += n
	r.bytes += n
	return nil, true
}

// Take counts n bytes of an answer that is there already, whether there is room or not: another service has read it, or it
// is that of a write, which was applied. What is beyond the room makes others wait, and drops clients that have not read
// for unreadMax.
func (r *Answer) Take(n int64) {
	n *= r.copies
	a := r.all
	a.mu.Lock()
	if r.ended {
		a.mu.Unlock()
		return
	}
	a.mu.held += n
	r.bytes += n
	full := a.mu.held > a.max
	a.mu.Unlock()
	if full {
		a.dropUnread(time.Now())
	}
}

// Reusable says that Encoded will be called, and that only who encodes the answer has what it is made of. Call it before With.
func (r *Answer) Reusable() { r.reusable = true }

// WhenEncoded has done called once the answer of ctx is encoded, when nothing is read any more of what it was made of: its memory may be used again. Call
// it with what is complete alone. Without such an answer that is Reusable, and not encoded yet, done is forgotten: it would keep what it is for in memory.
func WhenEncoded(ctx context.Context, done func()) {
	answer, ok := ctx.Value(answerKey{}).(*Answer)
	if !ok {
		return
	}
	answer.all.mu.Lock()
	defer answer.all.mu.Unlock()
	if answer.reusable {
		answer.whenEncoded = append(answer.whenEncoded, done)
	}
}

// Encoded says that nobody reads any more what the answer was made of. It may be called twice.
func (r *Answer) Encoded() {
	r.all.mu.Lock()
	whenEncoded := r.whenEncoded
	r.reusable, r.whenEncoded = false, nil
	r.all.mu.Unlock()
	for _, done := range whenEncoded {
		done()
	}
}

// Bytes is what the answer holds.
func (r *Answer) Bytes() int64 {
	r.all.mu.Lock()
	defer r.all.mu.Unlock()
	return r.bytes
}

// Send says that the answer is on its way to a client, which drop ends if it does not take it. Release must follow when it
// has been taken.
func (r *Answer) Send(drop func()) {
	a := r.all
	a.mu.Lock()
	defer a.mu.Unlock()
	r.since, r.drop = time.Now(), drop
	a.mu.unread = append(a.mu.unread, r)
}

// Release gives back what the answer holds. It may be called twice.
func (r *Answer) Release() {
	r.all.mu.Lock()
	defer r.all.mu.Unlock()
	r.ended = true
	r.releaseLocked()
}

func (r *Answer) releaseLocked() {
	a := r.all
	a.mu.held -= r.bytes
	r.bytes, r.drop = 0, nil
	if a.mu.beyond == r {
		a.mu.beyond = nil
	}
	for i, unread := range a.mu.unread {
		if unread == r {
			a.mu.unread = append(a.mu.unread[:i], a.mu.unread[i+1:]...)
			break
		}
	}
	if a.mu.changed != nil {
		close(a.mu.changed)
		a.mu.changed = nil
	}
}

// dropUnread drops the clients whose answers have been unread for too long.
func (a *Answers) dropUnread(now time.Time) {
	for _, drop := range a.takeOverdue(now) {
		drop()
	}
}

func (a *Answers) takeOverdue(now time.Time) []func() {
	a.mu.Lock()
	defer a.mu.Unlock()
	var drops []func()
	for _, unread := range slices.Clone(a.mu.unread) {
		if now.Sub(unread.since) < unread.patience() {
			continue
		}
		drops = append(drops, unread.drop)
		a.mu.dropped++
		unread.releaseLocked()
	}
	return drops
}

// patience is how long a client may take: one that reads steadily over a slow line is not dropped.
func (r *Answer) patience() time.Duration {
	return unreadMax + time.Duration(r.bytes/unreadBytesPerSecond)*time.Second
}
