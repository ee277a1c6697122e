package consensus

import (
	"fmt"
	"time"

	"go.etcd.io/raft/v3"

	"github.com/quoratedb/quorate/pkg/problem"
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
func (r *replica) mayPropose() bool {
	switch r.position.leader.Load() {
	case raft.None:
		return false
	case r.id:
		return !r.full && r.appendsSent-r.appender.appended.Load() < appendsInFlightMax
	default:
		return r.mayForward()
	}
}

// mayForward forgets the batches that were applied or that nobody waits for. Those that have been away for an election
// timeout are not counted either: they may be lost, which nobody says.
func (r *replica) mayForward() bool {
	kept := r.forwards[:0]
	for _, f := range r.forwards {
		if r.ticks-f.tick < r.settings.electionTicks && r.pending.has(f.sequence) {
			kept = append(kept, f)
		}
	}
	r.forwards = kept
	return len(r.forwards) < forwardsInFlightMax
}

// proposeWaiting makes log entries of what stands in line.
func (r *replica) proposeWaiting() {
	leads := r.position.leader.Load() == r.id
	for bytes := int64(0); bytes < appendBytesMax && !r.full; {
		if !leads && !r.mayForward() {
			break
		}
		batch := r.pending.next(r.position.term.Load())
		if batch == nil {
			return
		}
		r.propose(batch, leads)
		bytes += batch.bytes
	}
	nudge(r.pending.ready) // there may be more
}

// propose makes one log entry of a batch.
func (r *replica) propose(batch *proposalBatch, leads bool) {
	entry := encodeLogEntry(r.pending.origin, batch.sequence, batch.proposals)
	if leads {
		stampLogEntry(entry, time.Now().UnixNano())
	}
	err := r.node.Propose(entry)
	switch {
	case err == nil:
		for _, p := range batch.proposals {
			p.encoded = nil
		}
		if !leads {
			r.forwards = append(r.forwards, forward{batch.sequence, r.ticks})
		}
	case r.outOfRoom():
		r.full = true
		r.pending.putBack(batch)
	default:
		// Raft takes nothing while leadership moves, and the callers may try again at once: nothing was proposed.
		answerAll(r.pending.take(r.pending.origin, batch.sequence), fmt.Errorf("propose: %w", problem.ErrLeaderChanged))
	}
}

// outOfRoom tells why the leader's raft has just dropped a proposal: it does so as well while it hands over, and when it
// was removed.
func (r *replica) outOfRoom() bool {
	status := r.node.Status()
	_, member := status.Progress[r.id]
	return status.RaftState == raft.StateLeader && status.LeadTransferee == raft.None && member
}
