package lessor

import (
	"maps"
	"slices"
	"time"
)

// sliceLeasesMax is how many leases are looked at in one step: some milliseconds' worth, for which others wait.
const sliceLeasesMax = 2_000

// expiryRetry is how soon a lease is looked at again that is due, and latched by something that should soon be over.
const expiryRetry = 100 * time.Millisecond

// table is the leases with their time.
type table struct {
	// minTTL is the shortest time that a lease has, in seconds.
	minTTL             int64
	checkpointInterval time.Duration

	leases map[int64]*lease
	// order holds the leases too, for those who look at all of them in slices, from the end to the beginning: what is added
	// meanwhile goes to the end, and what is removed is replaced by the last, at which they have looked.
	order       []*lease
	latches     latches
	expiries    schedule[*lease]
	checkpoints schedule[*lease]
	// revoking are the leases that are being revoked.
	revoking map[int64]*lease
	// again are those of them whose revoke had no known outcome and must be proposed again. They keep their latches.
	again   []int64
	unknown unknown
	// reconciliations counts those begun. While one is under way, removed gathers the ids removed since it began.
	reconciliations uint64
	removed         map[int64]struct{}
}

func newTable(minTTL int64, checkpointInterval time.Duration) table {
	return table{
		minTTL: minTTL, checkpointInterval: checkpointInterval,
		leases: map[int64]*lease{}, latches: latches{}, revoking: map[int64]*lease{}, unknown: newUnknown(),
	}
}

// add counts a lease down from now on. One that is there keeps the later of both deadlines.
func (t *table) add(id, ttl int64, deadline Instant, now Instant) *lease {
	e := t.leases[id]
	if e == nil {
		e = &lease{id: id, at: len(t.order)}
		t.order = append(t.order, e)
		e.expiry, e.checkpoint = slot[*lease]{owner: e, pos: -1}, slot[*lease]{owner: e, pos: -1}
		t.leases[id] = e
	}
	e.listed = t.reconciliations
	e.ttl = max(ttl, t.minTTL)
	e.deadline = max(e.deadline, deadline)
	t.expiries.set(&e.expiry, e.deadline)
	t.planCheckpoint(e, now)
	delete(t.removed, id)
	return e
}

// remove forgets a lease that no longer exists. Its latch, if any, is for whoever took it to release.
func (t *table) remove(id int64) {
	if t.removed != nil {
		t.removed[id] = struct{}{}
	}
	e := t.leases[id]
	if e == nil {
		return
	}
	delete(t.revoking, id)
	last := t.order[len(t.order)-1]
	t.order[e.at], last.at = last, e.at
	t.order[len(t.order)-1] = nil
	t.order = t.order[:len(t.order)-1]
	t.expiries.remove(&e.expiry)
	t.checkpoints.remove(&e.checkpoint)
	delete(t.leases, id)
}

// renew gives a lease its full time again. It must not be latched.
func (t *table) renew(e *lease, now Instant) {
	e.deadline = max(e.deadline, now.plus(seconds(e.ttl)))
	e.kept = max(now, 1)
	e.checkpointAt = now.plus(t.checkpointPause(e, now))
	if e.checkpoint.pos < 0 {
		t.planCheckpoint(e, now)
	}
}

// takeExpired marks for revoking, and returns, up to limit leases whose time is up, those whose revoke must be repeated first.
// It looks at no more than sliceLeasesMax leases, and tells whether there is more to look at.
func (t *table) takeExpired(now Instant, limit int) (ids []int64, more bool) {
	n := min(limit, len(t.again))
	ids = slices.Clone(t.again[:n])
	t.again = slices.Delete(t.again, 0, n)
	var latch *Latch
	for range sliceLeasesMax {
		sl := t.expiries.due(now)
		if sl == nil || len(ids) == limit {
			return ids, false
		}
		e := sl.owner
		switch {
		case e.deadline > now:
			t.expiries.set(sl, e.deadline)
		case t.latches[e.id] != nil:
			// A client's revoke or a checkpoint is under way: look again when it should be over.
			t.expiries.set(sl, now.plus(expiryRetry))
		default:
			if latch == nil {
				latch = newLatch()
			}
			t.latches.take(latch, e.id)
			t.revoke(e)
			ids = append(ids, e.id)
		}
	}
	return ids, true
}

// revoke marks a latched lease as one that must be revoked, whatever it takes.
func (t *table) revoke(e *lease) {
	if e.revoking {
		return
	}
	e.revoking = true
	t.revoking[e.id] = e
	t.expiries.remove(&e.expiry)
	t.checkpoints.remove(&e.checkpoint)
}

// revoked forgets leases that no longer exist and wakes those who wait for them.
func (t *table) revoked(ids []int64) {
	for _, id := range ids {
		t.remove(id)
	}
	t.latches.release(ids...)
}

// revive gives leases that were being revoked back to the living.
func (t *table) revive() {
	t.again, t.unknown.revokes = nil, nil
	for _, id := range slices.Sorted(maps.Keys(t.revoking)) { // the same steps give the same order
		e := t.revoking[id]
		e.revoking = false
		t.expiries.set(&e.expiry, e.deadline)
		t.latches.release(id)
	}
	clear(t.revoking)
}

// clear forgets everything and wakes those who wait for leases that were being revoked, or for what is unknown.
func (t *table) clear() {
	t.revive()
	for _, ids := range t.unknown.all() {
		for id := range ids {
			t.latches.release(id)
		}
	}
	latches, reconciliations := t.latches, t.reconciliations
	*t = newTable(t.minTTL, t.checkpointInterval)
	t.latches, t.reconciliations = latches, reconciliations
}
