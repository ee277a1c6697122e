package lessor

// Outcome is what came of a proposal.
type Outcome int

const (
	// Done: it took effect.
	Done Outcome = iota
	// Refused: it did not, and never will.
	Refused
	// Contradicted: it was refused because of the lease: there is one to be granted, or none to be revoked.
	Contradicted
	// Unknown: it may have taken effect, or may yet.
	Unknown
)

// Latch latches the id of a lease that a client wants granted or revoked, under the epoch that is returned. It fails while this
// service is not active, and while something else is under way for that id, which holds the latch busy.
func (l *Lessor) Latch(id int64) (epoch uint64, busy *Latch, latched bool) {
	if busy = l.table.latches[id]; busy != nil || l.role != Active {
		return 0, busy, false
	}
	l.table.latches.take(newLatch(), id)
	return l.epoch, nil, true
}

// Granted tells what came of a grant under an epoch, and answers whether this service still counts the lease down.
func (l *Lessor) Granted(at Moment, epoch uint64, id, ttl int64, o Outcome) (counted bool) {
	t := &l.table
	replaced := l.role == Standby || l.role == Stopped
	switch {
	case o != Done && replaced:
	case o == Contradicted && t.leases[id] == nil:
		t.unknown.next[id] = struct{}{}
		l.effects.Reconcile = true
		return false
	case o == Unknown:
		l.leaveOpen(epoch, id)
		return false
	case o == Done && !replaced:
		t.add(id, ttl, l.time.atMost(at).plus(seconds(ttl)), l.time.now(at))
		l.effects.Expire = true
		counted = true
	}
	t.latches.release(id)
	return counted
}

// Revoked tells what came of the revoke of a lease under an epoch, which a client asked for. One with an unknown outcome is
// proposed again, under the next epoch.
func (l *Lessor) Revoked(epoch uint64, id int64, o Outcome) {
	t := &l.table
	switch e := t.leases[id]; {
	case o == Done, o == Contradicted:
		t.remove(id)
	case o == Refused, l.role == Standby, l.role == Stopped:
	case e == nil:
		l.leaveOpen(epoch, id)
		return
	case l.epoch != epoch: // the latch goes with it, here and below
		t.revoke(e)
		t.again = append(t.again, id)
		l.effects.Expire = true
		return
	default:
		t.revoke(e)
		t.unknown.revokes = append(t.unknown.revokes, id)
		l.effects.Epoch = true
		return
	}
	t.latches.release(id)
}

// leaveOpen leaves a latched id, for which something was proposed under an epoch with an unknown outcome, to the reconciliation
// that follows the next epoch: which may have begun already.
func (l *Lessor) leaveOpen(epoch uint64, id int64) {
	if l.epoch != epoch {
		l.table.unknown.next[id] = struct{}{}
		l.effects.Reconcile = true
		return
	}
	l.table.unknown.epoch[id] = struct{}{}
	l.effects.Epoch = true
}
