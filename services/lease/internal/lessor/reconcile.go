package lessor

import (
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// SliceLeasesMax is how many leases of a list are given to Reconciliation.Add at a time.
const SliceLeasesMax = sliceLeasesMax

// Reconciliation is a comparison of the table with the leases that exist, and settles what was unknown when it began: Listed once
// the store has listed them, Add with all of the list, Forget until it has looked at everything, End. Others change the table in
// between; what they change wins over the list.
type Reconciliation struct {
	lessor   *Lessor
	takeOver bool
}

// Reconcile begins a comparison. The leases must be listed after it. With takeOver, every lease gets all its time again, those
// that were being revoked too.
func (l *Lessor) Reconcile(takeOver bool) Reconciliation {
	l.table.reconciliations++
	l.table.removed = map[int64]struct{}{}
	l.table.unknown.beginReconciliation()
	return Reconciliation{l, takeOver}
}

// Abort ends it because no list can be had.
func (r Reconciliation) Abort() {
	r.lessor.table.removed = nil
	r.lessor.table.unknown.abortReconciliation()
}

// Going tells whether it still is: a service that steps down ends it.
func (r Reconciliation) Going() bool { return r.lessor.table.removed != nil }

// Listed tells that the store has listed its leases.
func (r Reconciliation) Listed(now Moment) {
	r.lessor.reconciled = now.At
	if r.takeOver {
		r.lessor.table.revive()
	}
}

// Add adds what the table did not know of some of the list, with all of its time from now on, after the list was read: late rather
// than early. A keep-alive that a replaced holder answered while its confirmation was valid counts from before that. It answers
// how many it added.
func (r Reconciliation) Add(at Moment, list []*consensusv1.Lease) (added int) {
	t, now := &r.lessor.table, r.lessor.time.atMost(at)
	for _, l := range list {
		_, gone := t.removed[l.Id]
		known := t.leases[l.Id]
		if known != nil {
			known.listed = t.reconciliations
		}
		if gone || known != nil && !r.takeOver {
			continue
		}
		left := max(l.GrantedTtl, t.minTTL)
		if l.RemainingTtl > 0 {
			left = l.RemainingTtl
		}
		e := t.add(l.Id, l.GrantedTtl, now.plus(seconds(left)).plus(ConfirmationValid), now)
		e.checkpointed = l.RemainingTtl > 0
		if !e.checkpointed {
			t.postponeCheckpoint(e, now)
		}
		if known == nil {
			added++
		}
	}
	return added
}

// Forget forgets those of the leases before a place in the table's order, some at a time, that were not listed. It answers where
// to go on and how many it forgot.
func (r Reconciliation) Forget(before int) (next, forgotten int) {
	t := &r.lessor.table
	before = min(before, len(t.order))
	next = max(0, before-sliceLeasesMax)
	for at := before - 1; at >= next; at-- {
		// What is being revoked is left to the revoke that is under way: it will find nothing to do.
		if e := t.order[at]; e.listed < t.reconciliations && !e.revoking {
			t.remove(e.id)
			forgotten++
		}
	}
	return next, forgotten
}

// End ends it: what was unknown when it began is settled.
func (r Reconciliation) End() {
	t := &r.lessor.table
	t.removed = nil
	for id := range t.unknown.current {
		t.latches.release(id)
	}
	t.unknown.current = nil
}
