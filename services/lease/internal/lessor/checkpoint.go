package lessor

import (
	"time"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

const (
	// checkpointPauseMin is the shortest time between two checkpoints of a lease.
	checkpointPauseMin = time.Second
	// checkpointsPerLease is into how many parts the time of a lease that nobody keeps alive is cut by checkpoints: a take-over
	// gives it at most one such part more than it had.
	checkpointsPerLease = 4
	// checkpointKeptPart of checkpointKeptOf parts of its time is how long a lease that is kept alive goes without a checkpoint:
	// clients ask again after one part of three, and may be late.
	checkpointKeptPart, checkpointKeptOf = 2, 3
	// checkpointSpareOf: half of its time is what a lease that was taken over goes without a checkpoint at first. Clients ask again
	// after a third.
	checkpointSpareOf = 2
)

// checkpointPause is how long from now on a lease goes without a keep-alive until its remaining time is recorded. One that is
// kept alive has longer than its client lets pass: a record must be cleared, which costs the keep-alive a log entry.
func (t *table) checkpointPause(e *lease, now Instant) time.Duration {
	pause := max(checkpointPauseMin, seconds(e.ttl)/checkpointsPerLease)
	if e.kept > 0 {
		pause = max(pause, e.kept.plus(seconds(e.ttl)*checkpointKeptPart/checkpointKeptOf).until(now))
	}
	return min(t.checkpointInterval, pause)
}

// planCheckpoint has the remaining time of a lease recorded a pause from now. What has no more left than that is not worth a
// log entry.
func (t *table) planCheckpoint(e *lease, now Instant) {
	pause := t.checkpointPause(e, now)
	e.checkpointAt = now.plus(pause)
	if e.deadline.until(now) > pause {
		t.checkpoints.set(&e.checkpoint, e.checkpointAt)
	}
}

// postponeCheckpoint gives a lease that was taken over, with no remaining time on record, longer until its first checkpoint than
// a client lets pass: probably it is kept alive, and a record of each would cost the log an entry, and another with its next
// keep-alive.
func (t *table) postponeCheckpoint(e *lease, now Instant) {
	e.checkpointAt = max(e.checkpointAt, now.plus(min(t.checkpointInterval, seconds(e.ttl)/checkpointSpareOf)))
}

// takeCheckpoints latches up to limit leases whose remaining time is due to be recorded and returns it. It looks at no more
// than sliceLeasesMax leases, and tells whether there is more to look at.
func (t *table) takeCheckpoints(now Instant, limit int) (due []*consensusv1.LeaseCheckpointOp_Remaining, more bool) {
	latch := newLatch()
	for range sliceLeasesMax {
		sl := t.checkpoints.due(now)
		if sl == nil || len(due) == limit {
			return due, sl != nil
		}
		e := sl.owner
		left := e.deadline.until(now)
		switch {
		case e.checkpointAt > now:
			t.checkpoints.set(sl, e.checkpointAt)
		case t.latches[e.id] != nil:
			t.checkpoints.set(sl, now.plus(expiryRetry))
		default:
			t.checkpoints.remove(sl)
			t.planCheckpoint(e, now)
			if left <= 0 {
				continue // about to expire
			}
			t.latches.take(latch, e.id)
			e.checkpointed = true
			due = append(due, &consensusv1.LeaseCheckpointOp_Remaining{Id: e.id, Ttl: wholeSeconds(left)})
		}
	}
	return due, true
}
