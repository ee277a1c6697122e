package election

import (
	"time"

	"github.com/quoratedb/quorate/services/watch/internal/broadcast"
)

// ballot is who ingests, so far as one node knows. It has no clock: times come as arguments.
//
// Whoever ingests repeats its claim. A node that has heard none for a while claims the place under the next term. Of two
// that claim it, as after a partition, the later term stays, and of equal terms the higher node: so a node that was
// paused or cut off and comes back with an old term yields. A node that has just started does not wait: it claims term 0,
// which any holder but one of its own kind ignores, and yields when it hears of one.
type ballot struct {
	node    uint64
	silence time.Duration // how long the place's holder may be silent

	settled bool // a claim was heard or made since the node started
	term    uint64
	holder  uint64    // of the term
	heardAt time.Time // when the holder was last heard
}

func (s *ballot) held() bool { return s.holder == s.node }

// heard takes in a claim of another node. It tells whether it was this node that held the place, and does no more.
func (s *ballot) heard(c broadcast.Claim, now time.Time) (yielded bool) {
	if c.Term < s.term || c.Term == s.term && c.Node < s.holder {
		return false // of old; who said so hears of the present holder soon
	}
	yielded = s.held()
	s.settled = true
	s.term, s.holder, s.heardAt = c.Term, c.Node, now
	if c.Resigned {
		s.heardAt = now.Add(-s.silence) // as if it had been silent for long
	}
	return yielded
}

// due tells whether this node should claim the place, having waited a bit longer than it must: then two that wait alike
// are less likely to claim it at once. One that has just started should at once.
func (s *ballot) due(now time.Time, longer time.Duration) bool {
	return !s.settled || !s.held() && now.Sub(s.heardAt) >= s.silence+longer
}

// take claims the place for this node.
func (s *ballot) take() {
	if s.settled {
		s.term++
	}
	s.settled = true
	s.holder = s.node
}

// leave gives the place up, and waits as long as others do before it claims it again.
func (s *ballot) leave(now time.Time) {
	s.holder, s.heardAt = 0, now
}

// claim is what this node says of itself while it holds the place.
func (s *ballot) claim() broadcast.Claim { return broadcast.Claim{Term: s.term, Node: s.node} }
