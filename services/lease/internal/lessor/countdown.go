package lessor

import "time"

const (
	// ConfirmationValid is how long a confirmation that the epoch held is the newest allows to answer keep-alives and to find
	// leases expired without asking again. A take-over adds as much to every lease's time, so that a keep-alive answered
	// meanwhile by a holder that was just replaced still keeps its promise.
	ConfirmationValid = 500 * time.Millisecond
	// ConfirmInterval is how often the epoch is confirmed while there are leases, and nothing else confirms it: twice while a
	// confirmation is valid, so that one slow answer does not stop the leases' time.
	ConfirmInterval = ConfirmationValid / 2
	// suspensionMin is how far the wall clock must have moved beside the monotonic one, since the epoch was confirmed, for that
	// to be no correction of the clock but time that the machine was suspended: then the confirmation is old, whatever the
	// monotonic clock says, which stands still meanwhile. A jump that was set by hand costs one confirmation more.
	suspensionMin = 100 * time.Millisecond
)

// countdown is the time that leases have, which passes only while the service knows that it holds the newest epoch: who
// cannot be told that a lease is kept alive, or cannot answer that it is, must not count what passes meanwhile. So time stops
// ConfirmationValid after the last confirmation, and goes on, from where it stopped, with the next one. An outage of the store,
// a process that was stopped and a machine that was suspended extend every lease by as much.
type countdown struct {
	// confirmed is the latest moment at which the epoch was certainly the newest.
	confirmed Moment
	// learned is when that was known here: an answer may take its time.
	learned Uptime
	// lost is the time that did not count until then.
	lost time.Duration
}

// confirm notes that the epoch was certainly the newest at a moment, as is known now.
func (c *countdown) confirm(at Moment, now Uptime) {
	if at.At <= c.confirmed.At {
		return
	}
	c.lost += max(0, time.Duration(at.At-c.confirmed.At.Plus(ConfirmationValid)))
	c.confirmed, c.learned = at, now
}

// sure tells whether the epoch was confirmed at or after the moment since.
func (c *countdown) sure(since Uptime, now Moment) bool {
	return c.confirmed.At >= since && now.Skew-c.confirmed.Skew < suspensionMin
}

// inTouch tells whether the store confirmed the epoch, whenever it was asked, less than ConfirmationValid before now: only then
// may a lease be found expired. One that answers slowly makes time pass slowly, and not stand still.
func (c *countdown) inTouch(now Moment) bool {
	return c.learned >= now.Recent() && now.Skew-c.confirmed.Skew < suspensionMin
}

// now is how much time has counted at a moment.
func (c *countdown) now(at Moment) Instant {
	return Instant(min(at.At, c.confirmed.At.Plus(ConfirmationValid))) - Instant(c.lost)
}

// atMost is how much time may turn out to have counted at a moment: promises that begin then are counted from it.
func (c *countdown) atMost(at Moment) Instant { return Instant(at.At) - Instant(c.lost) }
