package replication

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// A disk that takes an append and does not end it is news once, costs leadership at every further limit, with another
// successor each time, and is news again when it answers. Ticks are counted by the test.
func TestLogStall(t *testing.T) {
	const limit = 10
	s := &logStall{}
	for tick := 1; tick <= 50; tick++ {
		require.Zero(t, s.look(tick, limit, 7, 7), "nothing is under way")
	}
	for tick := 51; tick <= 75; tick++ {
		found := s.look(tick, limit, 8, 7)
		switch tick {
		case 60:
			require.Equal(t, stallFound{begun: true, ticks: limit, giveAway: true}, found)
		case 70:
			require.Equal(t, stallFound{ticks: 2 * limit, giveAway: true, attempt: 1}, found)
		default:
			require.Zero(t, found, "tick %d", tick)
		}
	}
	require.Equal(t, stallFound{over: true}, s.look(76, limit, 9, 8))
	require.Zero(t, s.look(77, limit, 9, 8))
}

// An applier that gets nowhere is counted from when it last did, and from when this member began to lead: a follower may be as
// slow with the same commands. Ticks are counted by the test.
func TestApplierStall(t *testing.T) {
	const limit = 10
	s := &applierStall{}
	for tick := 1; tick <= 5; tick++ {
		require.Zero(t, s.look(tick, limit, false, 4, 3))
	}
	for tick := 6; tick <= 15; tick++ {
		require.Zero(t, s.look(tick, limit, true, 4, 3), "it leads since tick 6")
	}
	require.Equal(t, stallFound{begun: true, ticks: limit, giveAway: true}, s.look(16, limit, true, 4, 3))
	require.Zero(t, s.look(17, limit, false, 4, 3), "it has given leadership away, and is as stuck as before")
	require.Equal(t, stallFound{over: true}, s.look(18, limit, false, 4, 4))
}
