package replication

import (
	"log/slog"
	"time"
)

// A leader gives its place away for what is in this file, and where its state is found to be damaged (package audit), when its member
// stops or an operator moves it (handover.go). One without a majority is told so by raft, for which Replica asks with CheckQuorum.

// logStall notices that the disk of the log does not answer any more. A leader in that state is worse than none: it keeps
// its followers quiet with heartbeats, and can neither acknowledge a write nor let another member do so.
type logStall struct {
	// appended is how many appends had finished at the last tick at which one finished or none was under way, and since
	// is that tick.
	appended uint64
	since    int
	told     bool
}

// stallFound is what a tick finds.
type stallFound struct {
	// begun says that it is news that nothing moves, over that it does again.
	begun, over bool
	// ticks is how long nothing has moved.
	ticks int
	// giveAway says that leadership is better elsewhere, for the attempt-th time, from 0 on.
	giveAway bool
	attempt  int
}

// look is called at each tick, with how many appends were given to the log's writer and how many of them have ended: when one
// has been under way for limit ticks leadership is given away, and again after each further ones in which nobody took it.
func (s *logStall) look(ticks, limit int, sent, appended uint64) stallFound {
	if appended != s.appended || appended == sent {
		s.appended, s.since = appended, ticks
		over := s.told
		s.told = false
		return stallFound{over: over}
	}
	return stalled(ticks-s.since, limit, &s.told)
}

func stalled(ticks, limit int, told *bool) stallFound {
	if ticks < limit || ticks%limit != 0 {
		return stallFound{}
	}
	found := stallFound{begun: !*told, ticks: ticks, giveAway: true, attempt: ticks/limit - 1}
	*told = true
	return found
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

// look is called at each tick: leadership is given away when nothing was applied for limit ticks of leading, and again after
// each further ones in which nobody took it.
func (s *applierStall) look(ticks, limit int, leads bool, committed, applied uint64) stallFound {
	if applied != s.applied || leads != s.led || applied >= committed {
		over := s.told && applied != s.applied
		if over {
			s.told = false
		}
		s.applied, s.led, s.since = applied, leads, ticks
		return stallFound{over: over}
	}
	return stalled(ticks-s.since, limit, &s.told)
}

func (r *stepper) watchLog() {
	found := r.logStall.look(r.ticks, r.settings.electionTicks, r.appendsSent, r.done.appended)
	if found.over {
		r.tell(slog.LevelInfo, "the disk of the raft log answers again")
	}
	if found.begun {
		r.tell(slog.LevelError, "the disk of the raft log does not answer: this member can neither lead nor acknowledge writes until it does; check the disk that holds --data-dir",
			"waiting", r.settings.tick*time.Duration(found.ticks))
	}
	if found.giveAway {
		r.giveAway(found.attempt, "the disk of the raft log does not answer")
	}
}

func (r *stepper) watchApplier() {
	leads := r.position.leader == r.id
	found := r.applierStall.look(r.ticks, applierStallElections*r.settings.electionTicks, leads, r.position.committed, r.done.applied)
	if found.over {
		r.tell(slog.LevelInfo, "committed entries are applied again", "applied", r.done.applied)
	}
	if found.begun {
		r.tell(slog.LevelError, "committed entries are not applied: this member answers no write until they are; if no large command explains it, check the disk that holds --data-dir",
			"applied", r.done.applied, "committed", r.position.committed, "waiting", r.settings.tick*time.Duration(found.ticks))
	}
	if found.giveAway {
		r.giveAway(found.attempt, "committed entries are not applied here")
	}
}
