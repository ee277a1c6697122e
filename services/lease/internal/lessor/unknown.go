package lessor

import "maps"

// unknown are ids of which the table cannot tell whether there is such a lease. Each stays latched, so that nobody is told
// anything of it, until that is known: first no proposal whose outcome is unknown may take effect any more, for which the epoch
// has to be a newer one, then the table is reconciled with the store.
type unknown struct {
	// epoch are those whose grant or revoke has an unknown outcome under the epoch that is held: nothing but the next epoch
	// settles them.
	epoch map[int64]struct{}
	// revokes are leases that are being revoked because a client asked for it, with an unknown outcome under the epoch that is
	// held. Under the next one that is proposed again.
	revokes []int64
	// next are those that the next reconciliation settles, and current those that the one under way does.
	next, current map[int64]struct{}
}

func newUnknown() unknown {
	return unknown{epoch: map[int64]struct{}{}, next: map[int64]struct{}{}}
}

// beginEpoch tells that nothing can take effect any more that was proposed before, and returns what is to be revoked.
func (u *unknown) beginEpoch() (revokes []int64) {
	maps.Copy(u.next, u.epoch)
	clear(u.epoch)
	revokes, u.revokes = u.revokes, nil
	return revokes
}

// beginReconciliation tells that the store is about to be asked for its leases.
func (u *unknown) beginReconciliation() { u.current, u.next = u.next, map[int64]struct{}{} }

// abortReconciliation leaves to the next one what this one did not settle.
func (u *unknown) abortReconciliation() {
	maps.Copy(u.next, u.current)
	u.current = nil
}

// all are the sets of ids.
func (u *unknown) all() [3]map[int64]struct{} {
	return [3]map[int64]struct{}{u.epoch, u.next, u.current}
}

// one is the id, if it is unknown, or with id 0 the lowest that is.
func (u *unknown) one(id int64) (found int64, is bool) {
	for _, ids := range u.all() {
		if _, is := ids[id]; is {
			return id, true
		}
	}
	if id != 0 {
		return 0, false
	}
	for _, ids := range u.all() {
		for other := range ids {
			if !is || other < found {
				found, is = other, true
			}
		}
	}
	return found, is
}
