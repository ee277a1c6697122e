package lease

import (
	"time"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// sliceLeasesMax is how many leases are looked at in one go, under the service's lock: some milliseconds' worth.
const sliceLeasesMax = 2_000

// A comparison of the table with what exists is a round: beginRound, compareSlice of all that is listed, forgetSlice until it
// has looked at everything, endRound. Others change the table in between; what they change wins over the list.

// beginRound starts a comparison, which settles what is open. The list must be read after it.
func (t *table) beginRound() {
	t.rounds++
	t.removed = map[int64]struct{}{}
	t.settling, t.open = t.open, map[int64]struct{}{}
}

// inRound tells whether a comparison is under way: clear ends one.
func (t *table) inRound() bool { return t.removed != nil }

// abortRound ends a comparison for which no list could be had.
func (t *table) abortRound() {
	t.removed = nil
	for id := range t.settling {
		t.open[id] = struct{}{}
	}
	t.settling = nil
}

// compareSlice adds what the table did not know of some leases that exist, with all of its time from now on and extra on
// top. With all set, every lease gets its time again: another holder may have kept it alive. It answers how many it added.
func (t *table) compareSlice(list []*consensusv1.Lease, now instant, extra time.Duration, all bool) (added int) {
	for _, l := range list {
		_, gone := t.removed[l.Id]
		known := t.leases[l.Id]
		if known != nil {
			known.round = t.rounds
		}
		if gone || known != nil && !all {
			continue
		}
		left := max(l.GrantedTtl, t.minTTL)
		if l.RemainingTtl > 0 {
			left = l.RemainingTtl
		}
		e := t.add(l.Id, l.GrantedTtl, now.plus(seconds(left)).plus(extra), now)
		e.checkpointed = l.RemainingTtl > 0
		if !e.checkpointed {
			t.spare(e, now)
		}
		if known == nil {
			added++
		}
	}
	return added
}

// forgetSlice forgets those of the leases before a place in the order, some at a time, that the round did not list. It
// answers where to go on and how many it forgot.
func (t *table) forgetSlice(before int) (next, forgotten int) {
	before = min(before, len(t.order))
	next = max(0, before-sliceLeasesMax)
	for at := before - 1; at >= next; at-- {
		// What is doomed is left to the revoke that is under way: it will find nothing to do.
		if e := t.order[at]; e.round < t.rounds && !e.doomed {
			t.remove(e.id)
			forgotten++
		}
	}
	return next, forgotten
}

// endRound ends a comparison: what was open when it began is settled.
func (t *table) endRound() {
	t.removed = nil
	t.settle(t.settling)
	t.settling = nil
}
