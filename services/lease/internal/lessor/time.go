package lessor

import (
	"math"
	"time"
)

// Uptime is a moment of the process: the monotonic time since the service was made. Confirmations of the epoch happen then.
type Uptime time.Duration

// Plus is the moment d after u.
func (u Uptime) Plus(d time.Duration) Uptime { return u + Uptime(d) }

// Moment is what time it is: by the monotonic clock, and how far the wall clock is ahead of it.
type Moment struct {
	At   Uptime
	Skew time.Duration
}

// Recent is the earliest moment of a confirmation that is good enough at m.
func (m Moment) Recent() Uptime { return m.At.Plus(-ConfirmationValid) }

// Instant is a moment of the leases' time, which is what Countdown has counted. A step of the wall clock neither expires a lease
// nor keeps one.
type Instant time.Duration

// never is later than every moment that a process lives to see.
const never = Instant(math.MaxInt64)

// plus is the moment d after i, or never where that overflows: the longest TTL is close to what a Duration can hold.
func (i Instant) plus(d time.Duration) Instant {
	if d > 0 && i > never-Instant(d) {
		return never
	}
	return i + Instant(d)
}

// until is the time from now to i, negative once i has passed.
func (i Instant) until(now Instant) time.Duration { return time.Duration(i - now) }

// seconds is a lease's time as a Duration. TTLs are bounded, so it does not overflow.
func seconds(ttl int64) time.Duration { return time.Duration(ttl) * time.Second }

// wholeSeconds rounds up: a lease must never get less than it has.
func wholeSeconds(d time.Duration) int64 {
	s := int64(d / time.Second)
	if d%time.Second > 0 {
		s++
	}
	return s
}
