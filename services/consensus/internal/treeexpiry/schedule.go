package treeexpiry

import consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"

// schedule decides when it is looked for what has expired, and what of it is proposed. The zero value waits for the next tick.
type schedule struct {
	// until is the moment whose expirations are being ended, in nanoseconds of the wall clock; 0 between that and the next tick.
	until int64
}

// An event is one of tick, found and ended.
type event interface{ isEvent() }

// tick is the wall clock at an interval, and whether this member leads then.
type tick struct {
	now   int64
	leads bool
}

// found is what is due, in the order of expirations: as much of it as was asked for.
type found []*consensusv1.TreeOp

// ended is how the last proposals ended, of which none has an answer to come.
type ended struct{ err error }

func (tick) isEvent()  {}
func (found) isEvent() {}
func (ended) isEvent() {}

// action is what follows from an event. The zero value is to wait for the next tick.
type action struct {
	// look asks for what has expired until a moment, which is found; 0 asks for nothing.
	look int64
	// propose are operations to propose in this order, after which they have ended.
	propose []*consensusv1.TreeOp
	// failed is why what was proposed is left to the next tick.
	failed error
}

// step takes an event. What a tick finds is proposed until nothing is left that was due then, a bounded number at a time, and all
// is left to the next tick once something fails: it is still due then, unless it took effect after all.
func (s *schedule) step(e event) action {
	switch e := e.(type) {
	case tick:
		s.until = 0
		if e.leads {
			s.until = e.now
		}
		return action{look: s.until}
	case found:
		if len(e) == 0 {
			s.until = 0
			return action{}
		}
		return action{propose: e}
	case ended:
		if e.err != nil {
			s.until = 0
		}
		return action{look: s.until, failed: e.err}
	}
	return action{}
}
