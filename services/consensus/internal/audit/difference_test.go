package audit

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

type digests = []*consensusv1.Digest

func at(index, state, history uint64) *consensusv1.Digest {
	return &consensusv1.Digest{Index: index, State: state, History: history}
}

var verdicts = map[string]struct {
	voters []uint64
	told   map[uint64]digests
	word   uint64
	odd    []uint64 // by majority or by the word, of the newest difference
	index  uint64   // of the newest difference
	// agreed is the index at which member 1 is with a majority.
	agreed uint64
}{
	"equal": {
		voters: []uint64{1, 2, 3},
		told:   map[uint64]digests{1: {at(7, 1, 1), at(8, 2, 2)}, 2: {at(7, 1, 1), at(8, 2, 2)}, 3: {at(7, 1, 1)}},
		agreed: 8,
	},
	"nothing in common": {
		voters: []uint64{1, 2, 3},
		told:   map[uint64]digests{1: {at(7, 1, 1)}, 2: {at(8, 2, 2)}, 3: {at(9, 3, 3)}},
	},
	"one differs": {
		voters: []uint64{1, 2, 3},
		told:   map[uint64]digests{1: {at(8, 2, 2)}, 2: {at(8, 2, 2)}, 3: {at(8, 9, 2)}},
		odd:    []uint64{3}, index: 8, agreed: 8,
	},
	"the history differs, and the state does not any more": {
		voters: []uint64{1, 2, 3},
		told:   map[uint64]digests{1: {at(8, 2, 9)}, 2: {at(8, 2, 2)}, 3: {at(8, 2, 2)}},
		odd:    []uint64{1}, index: 8, agreed: 8,
	},
	"what is not known is not compared": {
		voters: []uint64{1, 2, 3},
		told:   map[uint64]digests{1: {at(8, 0, 0)}, 2: {at(8, 2, 2)}, 3: {at(8, 2, 0)}},
	},
	"two of five are odd, each in its own way": {
		voters: []uint64{1, 2, 3, 4, 5},
		told:   map[uint64]digests{1: {at(8, 2, 2)}, 2: {at(8, 2, 2)}, 3: {at(8, 2, 2)}, 4: {at(8, 3, 2)}, 5: {at(8, 4, 2)}},
		odd:    []uint64{4, 5}, index: 8, agreed: 8,
	},
	"a majority that is not there decides nothing": {
		voters: []uint64{1, 2, 3, 4, 5},
		told:   map[uint64]digests{1: {at(8, 2, 2)}, 2: {at(8, 2, 2)}, 3: {at(8, 3, 2)}},
		index:  8,
	},
	"then the word counts": {
		voters: []uint64{1, 2, 3, 4, 5}, word: 3,
		told: map[uint64]digests{1: {at(8, 2, 2)}, 2: {at(8, 2, 2)}, 3: {at(8, 3, 2)}},
		odd:  []uint64{1, 2}, index: 8,
	},
	"but not against a majority": {
		voters: []uint64{1, 2, 3}, word: 3,
		told: map[uint64]digests{1: {at(8, 2, 2)}, 2: {at(8, 2, 2)}, 3: {at(8, 3, 2)}},
		odd:  []uint64{3}, index: 8, agreed: 8,
	},
	"nor the word of one that does not tell": {
		voters: []uint64{1, 2}, word: 2,
		told:  map[uint64]digests{1: {at(8, 2, 2)}, 3: {at(8, 3, 2)}},
		index: 8,
	},
	"learners do not decide": {
		voters: []uint64{1, 2, 3},
		told:   map[uint64]digests{1: {at(8, 2, 2)}, 4: {at(8, 3, 2)}, 5: {at(8, 3, 2)}, 6: {at(8, 3, 2)}},
		index:  8,
	},
	"a learner is odd": {
		voters: []uint64{1, 2},
		told:   map[uint64]digests{1: {at(8, 2, 2)}, 2: {at(8, 2, 2)}, 3: {at(8, 3, 2)}},
		odd:    []uint64{3}, index: 8, agreed: 8,
	},
	"the newest comes first": {
		voters: []uint64{1, 2, 3},
		told: map[uint64]digests{
			1: {at(7, 2, 2), at(9, 4, 4)}, 2: {at(7, 2, 2), at(9, 4, 4)}, 3: {at(7, 9, 2), at(9, 9, 4)},
		},
		odd: []uint64{3}, index: 9, agreed: 9,
	},
	"alone": {voters: []uint64{1}, told: map[uint64]digests{1: {at(8, 2, 2)}}, agreed: 8},
}

// Who is odd is decided by a majority of the voters among those that tell of the same index, and otherwise by the word of
// one; learners and members that tell nothing decide nothing, and learners can be odd.
func TestVerdict(t *testing.T) {
	for name, c := range verdicts {
		t.Run(name, func(t *testing.T) {
			found := compareDigests(c.voters, c.told)
			require.Equal(t, c.agreed, agreedIndex(c.voters, 1, c.told))
			if c.index == 0 {
				require.Empty(t, found)
				return
			}
			require.NotEmpty(t, found)
			require.Equal(t, c.index, found[0].index)
			odd := found[0].odd(c.word)
			slices.Sort(odd)
			require.Equal(t, c.odd, odd)
		})
	}
}

// A difference is decided by the leader's word at once only where no voter is left who could decide: one that has not
// told of that index, or a learner in its place, is waited for ("a healthy member is condemned in a busy cluster").
func TestDifferenceWaitsForVotersThatMayDecide(t *testing.T) {
	voters := []uint64{1, 2, 3}
	for _, c := range []struct {
		sides    [][]uint64
		complete bool
	}{
		{[][]uint64{{1}, {2}}, false},
		{[][]uint64{{1}, {2, 4}}, false},
		{[][]uint64{{1}, {2}, {3}}, true},
		{[][]uint64{{1, 3}, {2}}, true},
	} {
		d := difference{sides: c.sides}
		require.Equal(t, c.complete, d.complete(voters), "%v", c.sides)
	}
}
