package match

import (
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/watch/internal/memorysize"
)

// ring holds the most recent commits, bounded by weight: those after floor and up to the node's position.
// Watches that fell behind by less than that catch up without reading history.
type ring struct {
	bytesMax int
	floor    int64
	bytes    int
	// A circular buffer: length commits from start on. The capacity is a power of two.
	commits []*consensusv1.Commit
	start   int
	length  int
}

// reset empties the ring, which goes on after a revision.
func (r *ring) reset(floor int64) {
	*r = ring{bytesMax: r.bytesMax, floor: floor}
}

// add appends the next commit and drops the oldest ones while the ring is over its limit.
func (r *ring) add(commit *consensusv1.Commit) {
	if r.length == len(r.commits) {
		r.grow()
	}
	r.commits[(r.start+r.length)&(len(r.commits)-1)] = commit
	r.length++
	r.bytes += memorysize.Commit(commit)
	for r.bytes > r.bytesMax && r.length > 0 {
		oldest := r.commits[r.start]
		r.commits[r.start] = nil
		r.start = (r.start + 1) & (len(r.commits) - 1)
		r.length--
		r.bytes -= memorysize.Commit(oldest)
		r.floor = oldest.Revision
	}
}

func (r *ring) grow() {
	grown := make([]*consensusv1.Commit, max(16, 2*len(r.commits)))
	for i := range r.length {
		grown[i] = r.at(i)
	}
	r.commits, r.start = grown, 0
}

// at returns the commit at a place counted from the oldest.
func (r *ring) at(i int) *consensusv1.Commit {
	return r.commits[(r.start+i)&(len(r.commits)-1)]
}

// search returns the place of the first commit at or after a revision.
func (r *ring) search(revision int64) int {
	low, high := 0, r.length
	for low < high {
		middle := (low + high) / 2
		if r.at(middle).Revision < revision {
			low = middle + 1
		} else {
			high = middle
		}
	}
	return low
}
