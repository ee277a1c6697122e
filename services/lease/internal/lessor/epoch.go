package lessor

import (
	"errors"
	"fmt"
)

var (
	// ErrFenced ends what is done under an epoch because another holder has acquired a newer one.
	ErrFenced = errors.New("another holder has acquired a newer lease epoch")
	// ErrRolledBack ends it because the store has forgotten the epoch: it is another store, or one that was restored.
	ErrRolledBack = errors.New("the store went back to a state before this lease service acquired its epoch")
	// ErrSteppedDown ends it, or the acquisition of an epoch, because StepDown was called.
	ErrSteppedDown = errors.New("this lease service was told to step down")
)

// RolledBack says that the store shows an older epoch than was acquired from it.
func RolledBack(acquired, seen uint64) error {
	return fmt.Errorf("%w: it shows lease epoch %d, and epoch %d was acquired here", ErrRolledBack, seen, acquired)
}

// TakeOver has one that stands by acquire an epoch. It does nothing to others.
func (l *Lessor) TakeOver() {
	if l.role == Standby {
		l.turn(Acquiring)
		l.effects.TakeOver = true
	}
}

// StepDown has one that is active, or about to be, stand by. What it does ends with why.
func (l *Lessor) StepDown(why error) {
	if l.role == Acquiring || l.role == Active {
		l.turn(Standby)
		l.effects.Ended = why
	}
}

// StandBy has one whose work has ended stand by.
func (l *Lessor) StandBy() { l.turn(Standby) }

// Stop ends everything for good.
func (l *Lessor) Stop() { l.turn(Stopped) }

// Reacquire has one that was active acquire the next epoch, unless it has stepped down meanwhile. The table stays.
func (l *Lessor) Reacquire() {
	if l.role == Active {
		l.turn(Acquiring)
	}
}

// Acquired tells that the store has given the epoch. Nobody can have taken over before that, so nobody had when the acquisition
// began.
func (l *Lessor) Acquired(now, began Moment, epoch uint64) {
	l.epoch = epoch
	l.time.confirm(began, now.At)
	l.table.again = append(l.table.again, l.table.unknown.beginEpoch()...)
	l.effects.Reconcile = l.effects.Reconcile || len(l.table.unknown.next) > 0
}

// Activate begins to answer under an epoch whose leases the table holds. It fails if it was told otherwise meanwhile: one that
// stepped down and took over again has an empty table, and begins anew.
func (l *Lessor) Activate(epoch uint64) error {
	if l.role != Acquiring {
		return ErrSteppedDown
	}
	l.turn(Active)
	l.tableEpoch = epoch
	return nil
}

// Fenced tells that an epoch is no longer the newest: it stands by, if it has not acquired a newer one since.
func (l *Lessor) Fenced(epoch uint64) { l.lose(epoch, ErrFenced) }

func (l *Lessor) lose(epoch uint64, why error) {
	if l.epoch == epoch && l.role == Active {
		l.turn(Standby)
		l.effects.Ended = why
	}
}

// EpochSeen tells which epoch the store calls the newest, as it was asked at a moment when this service held one.
func (l *Lessor) EpochSeen(now, asked Moment, held, newest uint64) {
	switch {
	case newest > held:
		l.Fenced(held)
	case newest < held:
		l.lose(held, RolledBack(held, newest))
	case l.epoch == held:
		l.time.confirm(asked, now.At)
	}
}

// Assurance is what is known of whether this service held the newest epoch at a moment.
type Assurance int

const (
	// Sure: it did.
	Sure Assurance = iota
	// Unsure: the store has to be asked.
	Unsure
	// NotYet: it acquires one.
	NotYet
	// NoLonger: it stands by.
	NoLonger
	// Over: it has stopped.
	Over
)

// Assured tells whether this service certainly held the newest epoch at or after the moment since.
func (l *Lessor) Assured(now Moment, since Uptime) Assurance {
	switch {
	case l.role == Stopped:
		return Over
	case l.role == Standby:
		return NoLonger
	case l.role == Acquiring:
		return NotYet
	case l.time.sure(since, now):
		return Sure
	}
	return Unsure
}

// ConfirmationDue tells when the epoch has to be confirmed next, and whether there are leases to confirm it for.
func (l *Lessor) ConfirmationDue() (at Uptime, needed bool) {
	return l.time.confirmed.At.Plus(ConfirmInterval), len(l.table.leases) > 0
}

func (l *Lessor) turn(to Role) {
	if l.role == to || l.role == Stopped {
		return
	}
	l.role = to
	if to == Standby || to == Stopped {
		l.table.clear()
		l.tableEpoch = 0
		l.seen = Position{} // the next store may be one that was restored
	}
	l.effects.Turned = true
}
