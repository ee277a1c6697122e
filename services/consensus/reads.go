package consensus

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/quoratedb/quorate/pkg/problem"
)

// Linearizable reads wait for a read index: the leader's commit index, confirmed by a quorum, that was reached when
// the read arrived (Raft thesis, 6.4). One index serves every read that waited for it, so the cost is per round trip
// and not per read. A read joins the group that has not been asked for yet; it may never join one whose question is
// already on its way, because the answer could be older than the read.
//
// While a question is out, those that come gather behind it: a question costs the members up to six messages, and to ask
// at once made one of nearly every read. They wait for its answer, and where that takes long (members that are far from
// each other, a question that was lost) for readSpacing instead of a whole round trip.

// readGroup is the reads that share one read index.
type readGroup struct {
	done chan struct{} // closed once the state is fit to read, or err is set
	err  error
}

// readIndexes collects groups and matches them with raft's answers.
type readIndexes struct {
	wake chan struct{} // tells the replica that a group waits

	mu struct {
		sync.Mutex
		next    *readGroup            // takes newcomers
		asked   map[uint64]*readGroup // by request id, waiting for raft's answer
		askedAt time.Time             // when the newest question was asked
		applied uint64                // newest applied index
		waiting []indexWait           // answered, waiting for the applier; few, in no order
		lastID  uint64
		stopped error // set once no answer will come any more
	}
}

type indexWait struct {
	index uint64
	group *readGroup
}

func newReadIndexes(applied uint64) *readIndexes {
	r := &readIndexes{wake: make(chan struct{}, 1)}
	r.mu.asked = make(map[uint64]*readGroup)
	r.mu.applied = applied
	// A question of this process before its restart may still be answered: no id may come twice.
	r.mu.lastID = rand.Uint64()
	return r
}

// wait blocks until the applied state includes everything that was committed when it was called.
func (r *readIndexes) wait(ctx context.Context) error {
	r.mu.Lock()
	if err := r.mu.stopped; err != nil {
		r.mu.Unlock()
		return err
	}
	group := r.mu.next
	if group == nil {
		group = &readGroup{done: make(chan struct{})}
		r.mu.next = group
		select {
		case r.wake <- struct{}{}:
		default:
		}
	}
	r.mu.Unlock()
	select {
	case <-group.done:
		return group.err
	case <-ctx.Done():
		return fmt.Errorf("wait for a read index: %w", context.Cause(ctx))
	}
}

// start closes the collecting group and returns the id to ask raft with, nil if nobody waits or it is too early: then
// early says by how much, unless an answer comes first.
func (r *readIndexes) start(now time.Time) (id []byte, early time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	group := r.mu.next
	if group == nil {
		return nil, 0
	}
	if early := r.mu.askedAt.Add(readSpacing).Sub(now); early > 0 && len(r.mu.asked) > 0 {
		return nil, early
	}
	r.mu.next = nil
	r.mu.lastID++
	r.mu.asked[r.mu.lastID], r.mu.askedAt = group, now
	return requestID(r.mu.lastID), 0
}

// unanswered returns the ids of all questions without an answer, to ask them again.
func (r *readIndexes) unanswered() [][]byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	ids := make([][]byte, 0, len(r.mu.asked))
	for id := range r.mu.asked {
		ids = append(ids, requestID(id))
	}
	return ids
}

// answer takes raft's read index for a question.
func (r *readIndexes) answer(id []byte, index uint64) {
	if len(id) != 8 {
		return
	}
	key := binary.BigEndian.Uint64(id)
	r.mu.Lock()
	defer r.mu.Unlock()
	group := r.mu.asked[key]
	if group == nil {
		return // asked twice, answered twice
	}
	delete(r.mu.asked, key)
	if index <= r.mu.applied {
		close(group.done)
		return
	}
	r.mu.waiting = append(r.mu.waiting, indexWait{index, group})
}

// advance tells that the state includes everything up to applied.
func (r *readIndexes) advance(applied uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.mu.applied = applied
	kept := r.mu.waiting[:0]
	for _, w := range r.mu.waiting {
		if w.index <= applied {
			close(w.group.done)
		} else {
			kept = append(kept, w)
		}
	}
	clear(r.mu.waiting[len(kept):])
	r.mu.waiting = kept
}

// reached is closed once the state includes everything up to index, or never if stop comes first.
func (r *readIndexes) reached(index uint64) <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	group := &readGroup{done: make(chan struct{})}
	if r.mu.stopped != nil {
		return group.done
	}
	if index <= r.mu.applied {
		close(group.done)
	} else {
		r.mu.waiting = append(r.mu.waiting, indexWait{index, group})
	}
	return group.done
}

// stop fails every read that waits and all to come.
func (r *readIndexes) stop() {
	err := fmt.Errorf("wait for a read index: %w", problem.ErrStopped)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.mu.stopped != nil {
		return
	}
	r.mu.stopped = err
	fail := func(group *readGroup) {
		group.err = err
		close(group.done)
	}
	if r.mu.next != nil {
		fail(r.mu.next)
	}
	for _, group := range r.mu.asked {
		fail(group)
	}
	for _, w := range r.mu.waiting {
		fail(w.group)
	}
	r.mu.next, r.mu.asked, r.mu.waiting = nil, nil, nil
}

func requestID(id uint64) []byte {
	return binary.BigEndian.AppendUint64(nil, id)
}
