package lease

import (
	"slices"
	"time"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// entry is one lease that exists, so far as this service knows.
type entry struct {
	id int64
	// ttl is what a keep-alive gives. Seconds.
	ttl      int64
	deadline instant
	// checkpointed says that the log may hold a remaining time for the lease, which a keep-alive must clear before it
	// is answered: a take-over would give no more than that.
	checkpointed bool
	// checkpointAt is when the remaining time is to be recorded, unless a keep-alive comes first.
	checkpointAt instant
	// kept is when the lease was kept alive last, 0 if it was not since it was added.
	kept instant
	// doomed says that a revoke has been or is about to be proposed. It never turns back within an epoch's hold: the
	// lease stays in the table, claimed, until the outcome is known.
	doomed bool
	// round is the last comparison (see table.beginRound) that had begun when the lease was added, or that listed it.
	round uint64
	// at is the lease's place in table.order.
	at int

	expiry, checkpoint slot
}

// claim marks the ids that something was proposed for. Whoever else wants to do something with such an id waits until
// done is closed, and then looks again. So at most one proposal an id is under way from here, and the order in which
// outcomes arrive cannot differ from the order in which they took effect.
type claim struct {
	// done is closed when none of the claimed ids is left: who wakes earlier and finds the claim still there would wait
	// for nothing, over and over.
	done chan struct{}
	// left is how many ids the claim holds.
	left int
}

func newClaim() *claim { return &claim{done: make(chan struct{})} }

// table is the leases with their time. It has no clock, lock or I/O of its own: time is an argument.
type table struct {
	minTTL             int64
	checkpointInterval time.Duration

	leases map[int64]*entry
	// order holds the leases too, for those who look at all of them in slices, from the end to the beginning: what is added
	// meanwhile goes to the end, and what is removed is replaced by the last, at which they have looked.
	order       []*entry
	claims      map[int64]*claim
	expiries    schedule
	checkpoints schedule
	// doomed are the leases that are doomed.
	doomed map[int64]*entry
	// again are doomed leases whose revoke had no known outcome and must be proposed again. They keep their claims.
	again []int64
	unsettled
	// rounds counts the comparisons begun. While one is under way, removed gathers the ids removed since it began.
	rounds  uint64
	removed map[int64]struct{}
}

func newTable(minTTL int64, checkpointInterval time.Duration) table {
	return table{
		minTTL: minTTL, checkpointInterval: checkpointInterval,
		leases: map[int64]*entry{}, claims: map[int64]*claim{}, doomed: map[int64]*entry{},
		unsettled: unsettled{lost: map[int64]struct{}{}, open: map[int64]struct{}{}},
	}
}

// add counts a lease down from now on. One that is there keeps the later of both deadlines.
func (t *table) add(id, ttl int64, deadline instant, now instant) *entry {
	e := t.leases[id]
	if e == nil {
		e = &entry{id: id, at: len(t.order)}
		t.order = append(t.order, e)
		e.expiry, e.checkpoint = slot{lease: e, pos: -1}, slot{lease: e, pos: -1}
		t.leases[id] = e
	}
	e.round = t.rounds
	e.ttl = max(ttl, t.minTTL)
	e.deadline = max(e.deadline, deadline)
	t.expiries.set(&e.expiry, e.deadline)
	t.planCheckpoint(e, now)
	delete(t.removed, id)
	return e
}

// remove forgets a lease that no longer exists. Its claim, if any, is the claimant's to release.
func (t *table) remove(id int64) {
	if t.removed != nil {
		t.removed[id] = struct{}{}
	}
	e := t.leases[id]
	if e == nil {
		return
	}
	delete(t.doomed, id)
	last := t.order[len(t.order)-1]
	t.order[e.at], last.at = last, e.at
	t.order[len(t.order)-1] = nil
	t.order = t.order[:len(t.order)-1]
	t.expiries.remove(&e.expiry)
	t.checkpoints.remove(&e.checkpoint)
	delete(t.leases, id)
}

// renew gives a lease its full time again. It must not be claimed.
func (t *table) renew(e *entry, now instant) {
	e.deadline = max(e.deadline, now.plus(seconds(e.ttl)))
	e.kept = max(now, 1)
	e.checkpointAt = now.plus(t.checkpointPause(e, now))
	if e.checkpoint.pos < 0 {
		t.planCheckpoint(e, now)
	}
}

// checkpointPause is how long from now on a lease goes without a keep-alive until its remaining time is recorded. One that is
// kept alive has longer than its client lets pass: a record must be cleared, which costs the keep-alive a log entry.
func (t *table) checkpointPause(e *entry, now instant) time.Duration {
	pause := max(checkpointPauseMin, seconds(e.ttl)/checkpointsPerLease)
	if e.kept > 0 {
		pause = max(pause, e.kept.plus(seconds(e.ttl)*checkpointKeptPart/checkpointKeptOf).until(now))
	}
	return min(t.checkpointInterval, pause)
}

// planCheckpoint has the remaining time of a lease recorded a pause from now. What has no more left than that is not worth a
// log entry.
func (t *table) planCheckpoint(e *entry, now instant) {
	pause := t.checkpointPause(e, now)
	e.checkpointAt = now.plus(pause)
	if e.deadline.until(now) > pause {
		t.checkpoints.set(&e.checkpoint, e.checkpointAt)
	}
}

// spare gives a lease that was taken over, with no remaining time on record, longer until its first checkpoint than a client
// lets pass: probably it is kept alive, and a record of each would cost the log an entry, and another with its next keep-alive.
func (t *table) spare(e *entry, now instant) {
	e.checkpointAt = max(e.checkpointAt, now.plus(min(t.checkpointInterval, seconds(e.ttl)/checkpointSpareOf)))
}

// claim takes ids that nobody has claimed.
func (t *table) claim(c *claim, ids ...int64) {
	for _, id := range ids {
		t.claims[id] = c
		c.left++
	}
}

// release gives claimed ids free, and wakes those who wait for their claims once nothing of these is left.
func (t *table) release(ids ...int64) {
	for _, id := range ids {
		c := t.claims[id]
		if c == nil {
			continue
		}
		delete(t.claims, id)
		if c.left--; c.left == 0 {
			close(c.done)
		}
	}
}

// takeExpired dooms and returns up to limit leases whose time is up, those whose revoke must be repeated first. It looks
// at no more than sliceLeasesMax leases, and tells whether there is more to look at.
func (t *table) takeExpired(now instant, limit int) (ids []int64, more bool) {
	n := min(limit, len(t.again))
	ids = slices.Clone(t.again[:n])
	t.again = slices.Delete(t.again, 0, n)
	var c *claim
	for range sliceLeasesMax {
		sl := t.expiries.due(now)
		if sl == nil || len(ids) == limit {
			return ids, false
		}
		e := sl.lease
		switch {
		case e.deadline > now:
			t.expiries.set(sl, e.deadline)
		case t.claims[e.id] != nil:
			// A client's revoke or a checkpoint is under way: look again when it should be over.
			t.expiries.set(sl, now.plus(expiryPause))
		default:
			if c == nil {
				c = newClaim()
			}
			t.claim(c, e.id)
			t.doom(e)
			ids = append(ids, e.id)
		}
	}
	return ids, true
}

// doom marks a claimed lease as one that must be revoked, whatever it takes.
func (t *table) doom(e *entry) {
	if e.doomed {
		return
	}
	e.doomed = true
	t.doomed[e.id] = e
	t.expiries.remove(&e.expiry)
	t.checkpoints.remove(&e.checkpoint)
}

// revoked forgets doomed leases that no longer exist and wakes those who wait for them.
func (t *table) revoked(ids []int64) {
	for _, id := range ids {
		t.remove(id)
		t.release(id)
	}
}

// reprieve gives doomed leases back to the living.
func (t *table) reprieve() {
	t.again, t.revokes = nil, nil
	for id, e := range t.doomed {
		e.doomed = false
		t.expiries.set(&e.expiry, e.deadline)
		t.release(id)
	}
	clear(t.doomed)
}

// takeCheckpoints claims up to limit long leases whose remaining time is due to be recorded and returns it. It looks at no
// more than sliceLeasesMax leases, and tells whether there is more to look at.
func (t *table) takeCheckpoints(c *claim, now instant, limit int) (due []*consensusv1.LeaseCheckpointOp_Remaining, more bool) {
	for range sliceLeasesMax {
		sl := t.checkpoints.due(now)
		if sl == nil || len(due) == limit {
			return due, sl != nil
		}
		e := sl.lease
		left := e.deadline.until(now)
		switch {
		case e.checkpointAt > now:
			t.checkpoints.set(sl, e.checkpointAt)
		case t.claims[e.id] != nil:
			t.checkpoints.set(sl, now.plus(expiryPause))
		default:
			t.checkpoints.remove(sl)
			t.planCheckpoint(e, now)
			if left <= 0 {
				continue // about to expire
			}
			t.claim(c, e.id)
			e.checkpointed = true
			due = append(due, &consensusv1.LeaseCheckpointOp_Remaining{Id: e.id, Ttl: wholeSeconds(left)})
		}
	}
	return due, true
}

// wholeSeconds rounds up: a lease must never get less than it has.
func wholeSeconds(d time.Duration) int64 {
	s := int64(d / time.Second)
	if d%time.Second > 0 {
		s++
	}
	return s
}

// clear forgets everything and wakes those who wait for doomed leases, or for what is not settled.
func (t *table) clear() {
	t.reprieve()
	t.settle(t.lost)
	t.settle(t.open)
	t.settle(t.settling)
	claims, rounds := t.claims, t.rounds
	*t = newTable(t.minTTL, t.checkpointInterval)
	t.claims, t.rounds = claims, rounds
}
