package replication

import (
	"encoding/binary"
	"maps"
	"slices"
	"time"
)

// Linearizable reads wait for a read index: the leader's commit index, confirmed by a quorum, that was reached when
// the read arrived (Raft thesis, 6.4). One index serves every read that waited for it, so the cost is per round trip
// and not per read. A read joins the group that has not been asked for yet; it may never join one whose question is
// already on its way, because the answer could be older than the read.
//
// While a question is out, those that come gather behind it: a question costs the members up to six messages, and to ask
// at once made one of nearly every read. They wait for its answer, and where that takes long (members that are far from
// each other, a question that was lost) for readSpacing instead of a whole round trip.

// readIndexes collects groups of reads that share one read index, and matches them with raft's answers. A group is a number.
type readIndexes struct {
	next      uint64            // takes newcomers, if there is one
	gathering bool              // there is one
	asked     map[uint64]uint64 // by request id, waiting for raft's answer
	askedAt   time.Time         // when the newest question was asked
	applied   uint64            // newest applied index
	waiting   []indexWait       // answered, waiting for the applier; few, in no order
	lastID    uint64            // of questions and groups
	released  []uint64
}

type indexWait struct{ index, group uint64 }

// newReadIndexes numbers questions from behind lastID on: one of this process before its restart may still be answered, so
// no number may come twice.
func newReadIndexes(applied, lastID uint64) *readIndexes {
	return &readIndexes{asked: make(map[uint64]uint64), applied: applied, lastID: lastID}
}

// join returns the group that a read belongs to, and whether it is the first one there.
func (r *readIndexes) join() (group uint64, first bool) {
	if r.gathering {
		return r.next, false
	}
	r.lastID++
	r.next, r.gathering = r.lastID, true
	return r.next, true
}

// start closes the collecting group and returns the id to ask raft with, nil if nobody waits or it is too early: then
// early says by how much, unless an answer comes first.
func (r *readIndexes) start(now time.Time) (id []byte, early time.Duration) {
	if !r.gathering {
		return nil, 0
	}
	if early := r.askedAt.Add(readSpacing).Sub(now); early > 0 && len(r.asked) > 0 {
		return nil, early
	}
	r.gathering = false
	r.asked[r.next], r.askedAt = r.next, now
	return requestID(r.next), 0
}

// unanswered returns the ids of all questions without an answer, to ask them again.
func (r *readIndexes) unanswered() [][]byte {
	ids := make([][]byte, 0, len(r.asked))
	for _, id := range slices.Sorted(maps.Keys(r.asked)) {
		ids = append(ids, requestID(id))
	}
	return ids
}

// answer takes raft's read index for a question, and returns the group that may read now, if it may.
func (r *readIndexes) answer(id []byte, index uint64) (group uint64, released bool) {
	if len(id) != 8 {
		return 0, false
	}
	key := binary.BigEndian.Uint64(id)
	group, asked := r.asked[key]
	if !asked {
		return 0, false // asked twice, answered twice
	}
	delete(r.asked, key)
	if index <= r.applied {
		return group, true
	}
	r.waiting = append(r.waiting, indexWait{index, group})
	return 0, false
}

// advance tells that the state includes everything up to applied, and returns the groups that may read now, until the next
// call.
func (r *readIndexes) advance(applied uint64) []uint64 {
	r.applied = applied
	r.released = r.released[:0]
	kept := r.waiting[:0]
	for _, w := range r.waiting {
		if w.index <= applied {
			r.released = append(r.released, w.group)
		} else {
			kept = append(kept, w)
		}
	}
	r.waiting = kept
	return r.released
}

// await returns a group that is released once the state includes everything up to index, or that it does.
func (r *readIndexes) await(index uint64) (group uint64, reached bool) {
	if index <= r.applied {
		return 0, true
	}
	r.lastID++
	r.waiting = append(r.waiting, indexWait{index, r.lastID})
	return r.lastID, false
}

// forget is for a group of await that waits no longer.
func (r *readIndexes) forget(group uint64) {
	r.waiting = slices.DeleteFunc(r.waiting, func(w indexWait) bool { return w.group == group })
}

func requestID(id uint64) []byte {
	return binary.BigEndian.AppendUint64(nil, id)
}
