package check

import (
	"math"
	"time"

	"github.com/quoratedb/quorate/tests/faults/chaos/history"
)

// forever is later than any time of a run.
const forever = time.Duration(math.MaxInt64)

// stretch is a time between two moments.
type stretch struct {
	begin, end time.Duration
}

// certainties are the times for which it is known whether users had rights.
type certainties struct {
	changes map[history.Right][]history.RightChange
	calm    []history.Calm
	known   map[certainty][]stretch
}

// certainty is that a right is there, or that it is not.
type certainty struct {
	history.Right
	there bool
}

func newCertainties(changes []history.RightChange, calm []history.Calm) *certainties {
	c := &certainties{changes: map[history.Right][]history.RightChange{}, calm: calm, known: map[certainty][]stretch{}}
	for _, change := range changes {
		c.changes[change.Right] = append(c.changes[change.Right], change)
	}
	return c
}

// of are the stretches in which a right was certainly there, or certainly gone: each begins when a change to that was acknowledged, and ends with the
// call of the first change to the contrary that may have come after it. Nobody has a right at first.
func (c *certainties) of(right history.Right, there bool) []stretch {
	asked := certainty{right, there}
	if known, done := c.known[asked]; done {
		return known
	}
	changes := c.changes[right]
	if !there {
		changes = append([]history.RightChange{{Right: right}}, changes...)
	}
	var known []stretch
	for _, change := range changes {
		if change.Grant != there || change.Outcome != history.Answered {
			continue
		}
		if s := (stretch{change.Return, c.contrary(change)}); s.begin < s.end {
			known = append(known, s)
		}
	}
	c.known[asked] = known
	return known
}

// contrary is when the first change was called that may have undone another.
func (c *certainties) contrary(of history.RightChange) time.Duration {
	first := forever
	for _, change := range c.changes[of.Right] {
		if change.Grant != of.Grant && c.settled(change) >= of.Call {
			first = min(first, change.Call)
		}
	}
	return first
}

// settled is from when on a change can no longer take effect. One without an answer may lie in the log of a member that is cut off, or with one that is
// frozen: it has come to its end when the cluster was undisturbed for the length of a calm.
func (c *certainties) settled(change history.RightChange) time.Duration {
	if change.Outcome == history.Answered {
		return change.Return
	}
	for _, calm := range c.calm {
		if calm.Begin >= change.Return {
			return calm.End
		}
	}
	return forever
}

// whole is the stretch of such a certainty in which something between two moments lies wholly.
func (c *certainties) whole(right history.Right, there bool, begin, end time.Duration) (stretch, bool) {
	for _, s := range c.of(right, there) {
		if begin > s.begin && end < s.end {
			return s, true
		}
	}
	return stretch{}, false
}
