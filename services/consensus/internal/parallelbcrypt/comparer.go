package parallelbcrypt

import (
	"context"
	"crypto/subtle"
	"encoding/binary"
	"slices"
	"sync"
)

// Comparer compares passwords. Its methods may be called concurrently.
type Comparer struct {
	mu struct {
		sync.Mutex
		benches []*bench
	}
}

// bench is where up to four comparisons are computed abreast, by whoever of their callers has the lead: it is handed on when the leader's
// own is done, so that nobody else has to be started or stopped.
type bench struct {
	taken [lanes]*comparison
	// idle is what is computed, and means nothing, where no comparison is.
	idle [lanes]box
	zero key
}

// comparison is of one password with one hash.
type comparison struct {
	ctx            context.Context
	box            box
	password, salt *key
	sum            []byte
	rounds         int
	// lead tells its caller to go on computing for all of the bench, done that there is a result.
	lead, done chan struct{}
	equal      bool
}

// NewComparer makes one that computes on so many processors at most. Others come first on them: whoever computes asks after each round, some
// hundred microseconds, whether anybody waits.
func NewComparer(processors int) *Comparer {
	c := new(Comparer)
	for range processors {
		c.mu.benches = append(c.mu.benches, new(bench))
	}
	return c
}

// Places is how many comparisons there may be at once.
func (c *Comparer) Places() int { return len(c.mu.benches) * lanes }

// Matches tells whether a hash is of a password: what golang.org/x/crypto/bcrypt's CompareHashAndPassword does. A hash that is none
// matches nothing, and so does one whose rounds, of which there may be billions, outlast ctx. More calls at once than there are places
// are a mistake of the caller's.
func (c *Comparer) Matches(ctx context.Context, hash, password []byte) bool {
	cost, salt, sum, ok := split(hash)
	if !ok || len(password) > PasswordBytesMax {
		return false
	}
	mine := &comparison{
		ctx: ctx, box: *initial(), password: keyOf(append(slices.Clip(password), 0)), salt: keyOf(salt), sum: sum, rounds: 1 << cost,
		lead: make(chan struct{}, 1), done: make(chan struct{}),
	}
	mine.box.expandSalted(mine.password, mine.salt)
	b, leads := c.sit(mine)
	if !leads {
		select {
		case <-mine.done: // soon after ctx is, too
			return mine.equal
		case <-mine.lead:
		}
	}
	c.compute(b, mine)
	return mine.equal
}

// sit takes a lane. Who sits down at an empty bench has its lead. Benches are filled one after the other, because four comparisons cost
// hardly more than one.
func (c *Comparer) sit(mine *comparison) (b *bench, leads bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	b = c.mu.benches[slices.IndexFunc(c.mu.benches, func(b *bench) bool { return slices.Contains(b.taken[:], nil) })]
	leads = b.taken == [lanes]*comparison{}
	b.taken[slices.Index(b.taken[:], nil)] = mine
	return b, leads
}

// compute computes for all of a bench until the leader's own is done, and hands the lead on.
//
// Others get the processor after each round, some hundred microseconds of work: a goroutine that computes for longer is interrupted
// only after ten milliseconds, and its thread after a time slice, and would hold up everybody for as long.
func (c *Comparer) compute(b *bench, mine *comparison) {
	others := newYielder()
	defer others.close()
	for mine.going() {
		c.mu.Lock()
		taken := b.taken
		c.mu.Unlock()
		b.round(&taken)
		others.yield()
		for _, one := range taken {
			if one != nil && one != mine && !one.going() {
				c.rise(b, one)
			}
		}
	}
	if next := c.rise(b, mine); next != nil {
		next.lead <- struct{}{}
	}
}

// going tells whether a comparison is to go on: it has rounds left, and a caller who waits.
func (one *comparison) going() bool { return one.rounds > 0 && one.ctx.Err() == nil }

// rise ends a comparison and frees its lane. It returns one that goes on at its bench, nil for none.
func (c *Comparer) rise(b *bench, one *comparison) (next *comparison) {
	one.equal = one.rounds == 0 && one.result()
	defer close(one.done) // by then its lane is free for whoever comes after it
	c.mu.Lock()
	defer c.mu.Unlock()
	b.taken[slices.Index(b.taken[:], one)] = nil
	for _, other := range b.taken {
		if other != nil {
			return other
		}
	}
	return nil
}

// round computes one round of each comparison.
func (b *bench) round(taken *[lanes]*comparison) {
	var boxes [lanes]*box
	var passwords, salts [lanes]*key
	var only *comparison
	n := 0
	for i, one := range taken {
		boxes[i], passwords[i], salts[i] = &b.idle[i], &b.zero, &b.zero
		if one != nil {
			boxes[i], passwords[i], salts[i] = &one.box, one.password, one.salt
			one.rounds--
			only = one
			n++
		}
	}
	if n == 1 {
		only.box.expand(only.password)
		only.box.expand(only.salt)
		return
	}
	expandAbreast(&boxes, &passwords)
	expandAbreast(&boxes, &salts)
}

// result tells whether the sum is what the rounds have made.
func (one *comparison) result() bool {
	text := []byte("OrpheanBeholderScryDoubt")
	for at := 0; at < len(text); at += 8 {
		one.box.l, one.box.r = binary.BigEndian.Uint32(text[at:]), binary.BigEndian.Uint32(text[at+4:])
		for range 64 {
			one.box.encrypt()
		}
		binary.BigEndian.PutUint32(text[at:], one.box.l)
		binary.BigEndian.PutUint32(text[at+4:], one.box.r)
	}
	return subtle.ConstantTimeCompare(text[:sumBytes], one.sum) == 1
}
