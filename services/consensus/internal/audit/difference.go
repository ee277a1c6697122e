package audit

import (
	"slices"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/consensus/internal/membership"
)

// difference is an index of the log at which members have different digests.
type difference struct {
	index uint64
	// sides are the members of each digest, in ascending order, in no order among each other.
	sides [][]uint64
	// truth is the side that a majority of the voters stands on, nil if there is none.
	truth []uint64
}

// odd returns who is not on the side of the truth, or, where there is none, not on that of the member whose word counts
// then; nobody if that has not told.
func (d *difference) odd(word uint64) []uint64 {
	truth := d.truth
	for _, side := range d.sides {
		if truth == nil && slices.Contains(side, word) {
			truth = side
		}
	}
	var odd []uint64
	for _, side := range d.sides {
		if truth != nil && side[0] != truth[0] {
			odd = append(odd, side...)
		}
	}
	return odd
}

// complete tells whether every voter stands on one of the sides: nobody is left who could decide. One that answered and
// has not reached the index, or keeps no digest of it, may still.
func (d *difference) complete(voters []uint64) bool {
	return votes(voters, slices.Concat(d.sides...)) == len(voters)
}

// compareDigests finds where digests differ, the newest index first, of the state before the history. Members that tell
// nothing of an index, or not what is asked, have no part in what is found there.
func compareDigests(voters []uint64, told map[uint64][]*consensusv1.Digest) []difference {
	type subject struct {
		index   uint64
		history bool
	}
	sides := map[subject]map[uint64][]uint64{}
	add := func(of subject, digest, member uint64) {
		if digest == 0 {
			return
		}
		if sides[of] == nil {
			sides[of] = map[uint64][]uint64{}
		}
		if !slices.Contains(sides[of][digest], member) {
			sides[of][digest] = append(sides[of][digest], member)
		}
	}
	for member, digests := range told {
		for _, d := range digests {
			add(subject{d.GetIndex(), false}, d.GetState(), member)
			add(subject{d.GetIndex(), true}, d.GetHistory(), member)
		}
	}
	var found []difference
	for of, by := range sides {
		if len(by) < 2 {
			continue
		}
		d := difference{index: of.index}
		for _, side := range by {
			slices.Sort(side)
			d.sides = append(d.sides, side)
			if votes(voters, side) >= membership.Quorum(len(voters)) {
				d.truth = side
			}
		}
		found = append(found, d)
	}
	slices.SortStableFunc(found, func(a, b difference) int {
		return int(min(max(int64(b.index)-int64(a.index), -1), 1))
	})
	return found
}

func votes(voters, side []uint64) int {
	n := 0
	for _, member := range side {
		if slices.Contains(voters, member) {
			n++
		}
	}
	return n
}

// agreedIndex is the newest index at which the member has the digest of a majority of the voters, 0 if there is none.
func agreedIndex(voters []uint64, member uint64, told map[uint64][]*consensusv1.Digest) uint64 {
	var newest uint64
	for _, own := range told[member] {
		side := []uint64{}
		for other, digests := range told {
			if slices.ContainsFunc(digests, func(d *consensusv1.Digest) bool {
				return own.GetState() != 0 && d.GetIndex() == own.GetIndex() && d.GetState() == own.GetState()
			}) {
				side = append(side, other)
			}
		}
		if votes(voters, side) >= membership.Quorum(len(voters)) {
			newest = max(newest, own.GetIndex())
		}
	}
	return newest
}
