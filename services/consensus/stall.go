package consensus

import (
	"time"

	"go.etcd.io/raft/v3"
)

// stall notices that the disk of the log does not answer any more. A leader in that state is worse than none: it keeps
// its followers quiet with heartbeats, and can neither acknowledge a write nor let another member do so.
type stall struct {
	// appended is how many appends had finished at the last tick at which one finished or none was under way, and since
	// is that tick.
	appended uint64
	since    int
	told     bool
}

// watchLog gives leadership away when an append has been under way for an election timeout, and again after each
// further one in which nobody took it.
func (r *replica) watchLog() {
	s := &r.stall
	appended := r.appender.appended.Load()
	if appended != s.appended || appended == r.appendsSent {
		s.appended, s.since = appended, r.ticks
		if s.told {
			s.told = false
			r.log.Info("the disk of the raft log answers again")
		}
		return
	}
	stalled := r.ticks - s.since
	if stalled < r.settings.electionTicks {
		return
	}
	if !s.told {
		s.told = true
		r.log.Error("the disk of the raft log does not answer: this member can neither lead nor acknowledge writes until it does; check the disk that holds --data-dir",
			"waiting", r.settings.tick*time.Duration(stalled))
	}
	if stalled%r.settings.electionTicks != 0 {
		return
	}
	r.giveAway(stalled/r.settings.electionTicks-1, "the disk of the raft log does not answer")
}

// giveAway has leadership, if it is here, taken by another voter: by the next one with each attempt.
func (r *replica) giveAway(attempt int, reason string) {
	status := r.node.Status()
	if status.RaftState != raft.StateLeader {
		return
	}
	successors := r.successors(status)
	if len(successors) == 0 {
		return
	}
	to := successors[attempt%len(successors)]
	r.log.Warn("leadership is given to another member", "to", memberID(to), "reason", reason)
	r.node.TransferLeader(to)
}

// applierStall notices that nothing is applied of what is committed. A leader in that state acknowledges nothing, and its
// heartbeats keep those quiet who could. A follower may be as slow with the same commands, so it gets some time.
type applierStall struct {
	// applied and led are what was found at the tick since, when either had changed or nothing waited.
	applied uint64
	led     bool
	since   int
	told    bool
}

// watchApplier gives leadership away when nothing was applied for applierStallElections election timeouts of leading, and
// again after each further ones in which nobody took it.
func (r *replica) watchApplier() {
	s := &r.applierStall
	applied, leads := r.applier.applied.Load(), r.position.leader.Load() == r.id
	if applied != s.applied || leads != s.led || applied >= r.position.committed.Load() {
		if s.told && applied != s.applied {
			s.told = false
			r.log.Info("committed entries are applied again", "applied", applied)
		}
		s.applied, s.led, s.since = applied, leads, r.ticks
		return
	}
	stalled, limit := r.ticks-s.since, applierStallElections*r.settings.electionTicks
	if stalled < limit || stalled%limit != 0 {
		return
	}
	if !s.told {
		s.told = true
		r.log.Error("committed entries are not applied: this member answers no write until they are; if no large command explains it, check the disk that holds --data-dir",
			"applied", applied, "committed", r.position.committed.Load(), "waiting", r.settings.tick*time.Duration(stalled))
	}
	r.giveAway(stalled/limit-1, "committed entries are not applied here")
}
