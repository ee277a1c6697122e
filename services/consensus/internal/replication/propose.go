package replication

import (
	"time"

	"go.etcd.io/raft/v3"
)

// How commands leave the line. What is held back is gathered meanwhile, so that many commands share what costs the same for
// one and for many: at the leader a sync, and at a follower a message, an entry and its way back. The two are not alike:
//
//   - The leader proposes when its log has nothing to write, as many entries as one append may hold, so that large commands
//     share a sync as small ones do.
//   - A follower's own log says nothing of the leader's, and under load it is never idle, for the leader's appends keep it
//     busy. What it passes on it bounds by what is on its way already.

// forward is a batch that this member, a follower, has passed on to the leader.
type forward struct {
	sequence uint64
	tick     int
}

// mayPropose holds commands back while there is no leader to take them, and while others should gather behind those that
// are on their way.
func (r *stepper) mayPropose() bool {
	switch r.position.leader {
	case raft.None:
		return false
	case r.id:
		return !r.full && !r.moving && r.appendsSent-r.done.appended < appendsInFlightMax
	default:
		return r.mayForward()
	}
}

// mayForward forgets the batches that were applied or that nobody waits for. Those that have been away for an election
// timeout are not counted either: they may be lost, which nobody says.
func (r *stepper) mayForward() bool {
	kept := r.forwards[:0]
	for _, f := range r.forwards {
		if r.ticks-f.tick < r.settings.electionTicks && r.commands.waitsFor(f.sequence) {
			kept = append(kept, f)
		}
	}
	r.forwards = kept
	return len(r.forwards) < forwardsInFlightMax
}

// propose makes log entries of the commands that wait, and tells whether more may. now is for those that this member makes as
// the leader.
func (r *stepper) propose(now time.Time) (more bool) {
	leads := r.position.leader == r.id
	for bytes := int64(0); bytes < appendBytesMax && !r.full && !r.moving; {
		if !leads && !r.mayForward() {
			break
		}
		b := r.commands.next(r.position.term, now)
		if b == nil {
			return false
		}
		r.proposeBatch(b, leads, now)
		bytes += b.bytes
	}
	return true
}

// proposeBatch makes one log entry of a batch.
func (r *stepper) proposeBatch(b *batch, leads bool, now time.Time) {
	entry := encodeLogEntry(r.commands.from(), b.sequence, b.proposals)
	if leads {
		stampLogEntry(entry, now.UnixNano())
	}
	err := r.node.Propose(entry)
	switch {
	case err == nil:
		for _, p := range b.proposals {
			p.encoded = nil
		}
		r.out.proposed = append(r.out.proposed, b)
		if !leads {
			r.forwards = append(r.forwards, forward{b.sequence, r.ticks})
		}
	case r.node.BasicStatus().LeadTransferee != raft.None:
		r.moving = true
		r.commands.putBack(b)
	case r.outOfRoom():
		r.full = true
		r.commands.putBack(b)
	default:
		// Raft has just lost its leader, or this member was removed. The callers may try again at once: nothing was proposed.
		r.out.refused = append(r.out.refused, r.commands.take(r.commands.from(), b.sequence)...)
	}
}

// outOfRoom tells why the leader's raft has just dropped a proposal: it does so as well while it hands over, and when it
// was removed.
func (r *stepper) outOfRoom() bool {
	status := r.node.Status()
	_, member := status.Progress[r.id]
	return status.RaftState == raft.StateLeader && status.LeadTransferee == raft.None && member
}
