package replication

import "time"

// batchTimes are when a batch came to its stages, the zero time where it has not. The first four are proposals', the others the applier's: whoever
// is answered may read them.
type batchTimes struct {
	// begun is when it was made, syncBegun and synced are of this member's log, and committed is when this member learnt that it is.
	begun, syncBegun, synced, committed time.Time
	// applying is when the applier could begin with it, applied when all commands of its round were evaluated, and visible when their
	// effect was.
	applying, applied, visible time.Time
}

// Times are when a command came to its stages: the zero time where it has not, or where nobody knows.
type Times struct {
	// Submitted is when it stood in line, Proposed when it was in a log entry.
	Submitted, Proposed time.Time
	// SyncBegun and Synced are when this member's log synced that entry.
	SyncBegun, Synced time.Time
	// Committed is when a quorum had it, Applied when it was evaluated, and Visible when its effect was.
	Committed, Applied, Visible time.Time
}

// times are those of a proposal whose caller does not wait any more.
func (p *pending) times(one *Proposal) Times {
	t := Times{Submitted: one.submitted}
	p.mu.Lock()
	defer p.mu.Unlock()
	if one.batch == nil {
		return t
	}
	of := &one.batch.times
	t.Proposed, t.SyncBegun, t.Synced, t.Committed = of.begun, of.syncBegun, of.synced, of.committed
	if one.answered {
		t.Committed, t.Applied, t.Visible = of.applying, of.applied, of.visible
	}
	return t
}
