package audit

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// sight is a comparison of three voters that know this member as 1, at some seconds.
func sight(seconds int, leader uint64, told map[uint64][]*consensusv1.Digest) comparison {
	return comparison{
		now: time.Unix(1000+int64(seconds), 0), voters: []uint64{1, 2, 3}, digests: told, leader: leader, trusted: true,
	}
}

// ids returns those that must be accused, in order.
func (v verdict) ids() []uint64 { return slices.Sorted(slices.Values(v.odd)) }

// Goal: a member that agrees with a majority is told how far, and nobody is accused. Method: equal digests.
func TestAgreementAccusesNobody(t *testing.T) {
	j := judge{self: 1}
	v := j.step(sight(0, 1, map[uint64][]*consensusv1.Digest{1: {at(7, 1, 1), at(8, 2, 2)}, 2: {at(8, 2, 2)}}))
	require.Equal(t, verdict{agreed: 8, compared: true}, v)
}

// Goal: a member that nobody answers is not compared. Method: its own digest alone, of three voters.
func TestAloneIsNotCompared(t *testing.T) {
	j := judge{self: 1}
	require.Equal(t, verdict{}, j.step(sight(0, 1, map[uint64][]*consensusv1.Digest{1: {at(8, 2, 2)}})))
}

// Goal: a member that differs from a majority condemns itself once, though it leads, and accuses nobody else. Method: two looks, the second
// after the first was acted on.
func TestOddMemberCondemnsItself(t *testing.T) {
	told := map[uint64][]*consensusv1.Digest{1: {at(8, 9, 2)}, 2: {at(8, 2, 2)}, 3: {at(8, 2, 2)}}
	j := judge{self: 1}
	v := j.step(sight(0, 1, told))
	require.Equal(t, "it differs from a majority: 1 against 2 and 3, at log index 8", v.condemned)
	require.Equal(t, []notice{{"it differs from a majority: 1 against 2 and 3", 8}}, v.notices)
	require.True(t, v.compared)
	require.Empty(t, v.odd)

	again := sight(2, 1, told)
	again.condemned, again.trusted = true, false
	v = j.step(again)
	require.Empty(t, v.condemned)
	require.Empty(t, v.notices)
	require.Empty(t, v.odd)
}

// Goal: the leader accuses who differs from a majority, at once and again until the alarm is raised; a follower, and a leader that is not
// to be believed, only say what they see. Nobody says it twice, nor of one that is known. Method: the same digests, seen by each.
func TestLeaderAccusesTheOddOne(t *testing.T) {
	told := map[uint64][]*consensusv1.Digest{1: {at(8, 2, 2)}, 2: {at(8, 2, 2)}, 3: {at(8, 9, 2)}}
	seen := []notice{{"some differ from a majority: 1 and 2 against 3", 8}}

	leader := judge{self: 1}
	v := leader.step(sight(0, 1, told))
	require.Equal(t, []uint64{3}, v.ids())
	require.Equal(t, seen, v.notices)
	v = leader.step(sight(2, 1, told))
	require.Equal(t, []uint64{3}, v.ids())
	require.Empty(t, v.notices, "it was said")

	known := judge{self: 1}
	c := sight(0, 1, told)
	c.corrupt = []uint64{3}
	require.Empty(t, known.step(c).notices, "the alarm says it")

	follower := judge{self: 1}
	v = follower.step(sight(0, 2, told))
	require.Empty(t, v.odd)
	require.Equal(t, seen, v.notices)

	distrusted := judge{self: 1}
	c = sight(0, 1, told)
	c.trusted = false
	require.Empty(t, distrusted.step(c).odd)
}

// Goal: where no majority decides, a voter that is away is waited for, and then the leader's word counts. Method: the same dispute at
// different times.
func TestDisputeWaits(t *testing.T) {
	told := map[uint64][]*consensusv1.Digest{1: {at(8, 2, 2)}, 2: {at(8, 3, 2)}}
	wait := int(disputeMax / time.Second)
	j := judge{self: 1}
	v := j.step(sight(0, 1, told))
	require.Empty(t, v.odd)
	require.True(t, v.compared)
	require.Equal(t, []notice{{"members differ, and there is no majority to decide between them: 1 against 2", 8}}, v.notices)
	require.Empty(t, j.step(sight(wait-1, 1, told)).odd)
	v = j.step(sight(wait, 1, told))
	require.Equal(t, []uint64{2}, v.ids())
	require.Empty(t, v.condemned)
}

// Goal: a dispute that ended and comes back is waited for anew. Method: a look without a difference in between.
func TestDisputeBeginsAnew(t *testing.T) {
	differ := map[uint64][]*consensusv1.Digest{1: {at(8, 2, 2)}, 2: {at(8, 3, 2)}}
	agree := map[uint64][]*consensusv1.Digest{1: {at(9, 2, 2)}, 2: {at(9, 2, 2)}}
	wait := int(disputeMax / time.Second)
	j := judge{self: 1}
	require.Empty(t, j.step(sight(0, 1, differ)).odd)
	require.Empty(t, j.step(sight(wait/2, 1, agree)).odd)
	require.Empty(t, j.step(sight(wait, 1, differ)).odd)
	require.Equal(t, []uint64{2}, j.step(sight(2*wait, 1, differ)).ids())
}

// Goal: where all voters have told and none has a majority, the leader's word counts at once, and it does not accuse itself; a follower
// whose digest differs from the leader's does not condemn itself for that. Method: three digests of three voters.
func TestLeadersWordCountsWhereAllHaveTold(t *testing.T) {
	told := map[uint64][]*consensusv1.Digest{1: {at(8, 2, 2)}, 2: {at(8, 3, 2)}, 3: {at(8, 4, 2)}}
	leader, follower := judge{self: 1}, judge{self: 1}
	require.Equal(t, []uint64{2, 3}, leader.step(sight(0, 1, told)).ids())
	v := follower.step(sight(0, 2, told))
	require.Empty(t, v.odd)
	require.Empty(t, v.condemned)
}

// Goal: who is accused already, by a majority or by its alarm, is no party to a dispute. Method: a difference from a
// member whose alarm is raised.
func TestTheAccusedDisputeNothing(t *testing.T) {
	c := sight(0, 1, map[uint64][]*consensusv1.Digest{1: {at(8, 2, 2)}, 2: {at(8, 3, 2)}})
	c.corrupt = []uint64{2}
	j := judge{self: 1}
	v := j.step(c)
	require.Empty(t, v.odd)
	require.Empty(t, v.notices)
	require.Zero(t, j.disputed)
}
