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
	status := r.node.Status()
	if status.RaftState != raft.StateLeader {
		return
	}
	if to := successor(status, r.id); to != raft.None {
		r.log.Warn("leadership is given to another member, because the disk of the raft log does not answer", "to", memberID(to))
		r.node.TransferLeader(to)
	}
}
