package lease

import "time"

// uptime is a moment of the process: the monotonic time since the service was made. Confirmations of the epoch happen then.
type uptime time.Duration

// plus is the moment d after u.
func (u uptime) plus(d time.Duration) uptime { return u + uptime(d) }

// suspensionMin is how far the wall clock must have moved beside the monotonic one, since the epoch was confirmed, for that
// to be no correction of the clock but time that the machine was suspended: then the confirmation is old, whatever the
// monotonic clock says, which stands still meanwhile. A jump that was set by hand costs one confirmation more.
const suspensionMin = 100 * time.Millisecond

// clock is what time is it, twice. Tests replace it.
type clock func() (monotonic, wall time.Duration)

// clockSince reads both clocks of the machine, each from the same moment on.
func clockSince(origin time.Time) clock {
	return func() (monotonic, wall time.Duration) {
		now := time.Now()
		return now.Sub(origin), now.Round(0).Sub(origin.Round(0)) // Round takes the monotonic reading off
	}
}

// countdown is the time that leases have, which passes only while the service knows that it holds the newest epoch: who
// cannot be told that a lease is kept alive, or cannot answer that it is, must not count what passes meanwhile. So time stops
// holdWindow after the last confirmation, and goes on, from where it stopped, with the next one. An outage of the store, a
// process that was stopped and a machine that was suspended extend every lease by as much.
type countdown struct {
	// confirmed is the latest moment at which the epoch was certainly the newest, and lead how far the wall clock was ahead
	// of the monotonic one then.
	confirmed uptime
	lead      time.Duration
	// learned is when that was known here: an answer may take its time.
	learned uptime
	// lost is the time that did not count until then.
	lost time.Duration
}

// confirm notes that the epoch was certainly the newest at a moment, when the wall clock had that lead, as is known now.
func (c *countdown) confirm(at uptime, lead time.Duration, now uptime) {
	if at <= c.confirmed {
		return
	}
	c.lost += max(0, time.Duration(at-c.confirmed.plus(holdWindow)))
	c.confirmed, c.lead, c.learned = at, lead, now
}

// sure tells whether the epoch was confirmed at or after the moment since.
func (c *countdown) sure(since uptime, lead time.Duration) bool {
	return c.confirmed >= since && lead-c.lead < suspensionMin
}

// inTouch tells whether the store confirmed the epoch, whenever it was asked, less than holdWindow before now: only then may a
// lease be found expired. One that answers slowly makes time pass slowly, and not stand still.
func (c *countdown) inTouch(now uptime, lead time.Duration) bool {
	return c.learned >= now.plus(-holdWindow) && lead-c.lead < suspensionMin
}

// now is how much time has counted at a moment.
func (c *countdown) now(at uptime) instant {
	return instant(min(at, c.confirmed.plus(holdWindow))) - instant(c.lost)
}

// atMost is how much time may turn out to have counted at a moment: promises that begin then are counted from it.
func (c *countdown) atMost(at uptime) instant { return instant(at) - instant(c.lost) }
