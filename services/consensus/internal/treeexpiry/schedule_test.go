package treeexpiry

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

func op(path string) *consensusv1.TreeOp { return &consensusv1.TreeOp{Path: []byte(path)} }

// Goal: only a leader looks for what has expired. Method: ticks of a member that leads at times.
func TestLeaderLooks(t *testing.T) {
	var s schedule
	require.Equal(t, action{}, s.step(tick{100, false}))
	require.Equal(t, action{look: 200}, s.step(tick{200, true}))
	require.Equal(t, action{}, s.step(found{}))
	require.Equal(t, action{}, s.step(tick{300, false}))
}

// Goal: all that was due at a tick is proposed, in order, as often as there is more, and what comes due meanwhile is left to the next
// tick. Method: two batches and an empty one.
func TestAllThatWasDueIsEnded(t *testing.T) {
	var s schedule
	first, second := found{op("/a"), op("/b")}, found{op("/c")}
	require.Equal(t, action{look: 100}, s.step(tick{100, true}))
	require.Equal(t, action{propose: first}, s.step(first))
	require.Equal(t, action{look: 100}, s.step(ended{}), "the same moment")
	require.Equal(t, action{propose: second}, s.step(second))
	require.Equal(t, action{look: 100}, s.step(ended{}))
	require.Equal(t, action{}, s.step(found{}))
	require.Equal(t, action{look: 200}, s.step(tick{200, true}))
}

// Goal: what could not be proposed is not tried again before the next tick, and then it is. Method: a failure between two ticks.
func TestFailureIsLeftToTheNextTick(t *testing.T) {
	var s schedule
	failure := errors.New("no leader")
	s.step(tick{100, true})
	due := found{op("/a")}
	s.step(due)
	require.Equal(t, action{failed: failure}, s.step(ended{failure}))
	require.Equal(t, action{look: 200}, s.step(tick{200, true}))
	require.Equal(t, action{propose: due}, s.step(due))
}
