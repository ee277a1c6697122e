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
	// round is the last comparison (see table.beginRound) that had begun when the lease was added.
	round uint64

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

	leases      map[int64]*entry
	claims      map[int64]*claim
	expiries    schedule
	checkpoints schedule
	// again are doomed leases whose revoke had no known outcome and must be proposed again. They keep their claims.
	again []int64
	// doomedCount is how many leases are doomed.
	doomedCount int

	// rounds counts the comparisons begun. While one is under way, removed gathers the ids removed since it began.
	rounds  uint64
	removed map[int64]struct{}
}

func newTable(minTTL int64, checkpointInterval time.Duration) table {
	return table{
		minTTL: minTTL, checkpointInterval: checkpointInterval,
		leases: map[int64]*entry{}, claims: map[int64]*claim{},
	}
}

// add counts a lease down from now on. One that is there keeps the later of both deadlines.
func (t *table) add(id, ttl int64, deadline instant, now instant) *entry {
	e := t.leases[id]
	if e == nil {
		e = &entry{id: id}
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
	if e.doomed {
		t.doomedCount--
	}
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

// takeExpired dooms and returns up to limit leases whose time is up, those whose revoke must be repeated first.
func (t *table) takeExpired(now instant, limit int) []int64 {
	n := min(limit, len(t.again))
	ids := slices.Clone(t.again[:n])
	t.again = slices.Delete(t.again, 0, n)
	var c *claim
	for len(ids) < limit {
		sl := t.expiries.due(now)
		if sl == nil {
			break
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
	return ids
}

// doom marks a claimed lease as one that must be revoked, whatever it takes.
func (t *table) doom(e *entry) {
	if e.doomed {
		return
	}
	e.doomed = true
	t.doomedCount++
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
	t.again = nil
	t.doomedCount = 0
	for id, e := range t.leases {
		if e.doomed {
			e.doomed = false
			t.expiries.set(&e.expiry, e.deadline)
			t.release(id)
		}
	}
}

// takeCheckpoints claims up to limit long leases whose remaining time is due to be recorded and returns it.
func (t *table) takeCheckpoints(c *claim, now instant, limit int) []*consensusv1.LeaseCheckpointOp_Remaining {
	var due []*consensusv1.LeaseCheckpointOp_Remaining
	for len(due) < limit {
		sl := t.checkpoints.due(now)
		if sl == nil {
			break
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
	return due
}

// wholeSeconds rounds up: a lease must never get less than it has.
func wholeSeconds(d time.Duration) int64 {
	s := int64(d / time.Second)
	if d%time.Second > 0 {
		s++
	}
	return s
}

// beginRound starts a comparison with what exists. The list that endRound gets must be read after it.
func (t *table) beginRound() {
	t.rounds++
	t.removed = map[int64]struct{}{}
}

// abortRound ends a comparison for which no list could be had.
func (t *table) abortRound() { t.removed = nil }

// endRound makes the table agree with a list of all leases: adds what it did not know, with all of its time from now
// on and extra on top, and forgets what is gone. With all set, every lease gets its time again, the doomed ones too:
// another holder may have kept them alive. It answers how many leases it added and forgot.
func (t *table) endRound(list []*consensusv1.Lease, now instant, extra time.Duration, all bool) (added, forgotten int) {
	if all {
		t.reprieve()
	}
	listed := make(map[int64]struct{}, len(list))
	for _, l := range list {
		listed[l.Id] = struct{}{}
		_, gone := t.removed[l.Id]
		_, known := t.leases[l.Id]
		if gone || known && !all {
			continue
		}
		left := max(l.GrantedTtl, t.minTTL)
		if l.RemainingTtl > 0 {
			left = l.RemainingTtl
		}
		e := t.add(l.Id, l.GrantedTtl, now.plus(seconds(left)).plus(extra), now)
		e.checkpointed = l.RemainingTtl > 0
		if !known {
			added++
		}
	}
	for id, e := range t.leases {
		// What is doomed is left to the revoke that is under way: it will find nothing to do.
		if _, exists := listed[id]; !exists && e.round < t.rounds && !e.doomed {
			t.remove(id)
			forgotten++
		}
	}
	t.removed = nil
	return added, forgotten
}

// clear forgets everything and wakes those who wait for doomed leases.
func (t *table) clear() {
	t.reprieve()
	claims, rounds := t.claims, t.rounds
	*t = newTable(t.minTTL, t.checkpointInterval)
	t.claims, t.rounds = claims, rounds
}
