package lease

import (
	"container/heap"
	"math"
	"time"
)

// instant is a moment on the service's own clock: the time since the service was made. It comes from the monotonic
// clock, so that a step of the wall clock neither expires a lease nor keeps one.
type instant time.Duration

// never is later than every moment that a process lives to see.
const never = instant(math.MaxInt64)

// plus is the moment d after i, or never where that overflows: TTLMax is close to what a Duration can hold.
func (i instant) plus(d time.Duration) instant {
	if d > 0 && i > never-instant(d) {
		return never
	}
	return i + instant(d)
}

// until is the time from now to i, negative once i has passed.
func (i instant) until(now instant) time.Duration { return time.Duration(i - now) }

// seconds is a lease's time as a Duration. TTLs are bounded by TTLMax, so it does not overflow.
func seconds(ttl int64) time.Duration { return time.Duration(ttl) * time.Second }

// slot is a lease's place in a schedule.
type slot struct {
	lease *entry
	at    instant
	// pos is the place in the heap, -1 outside it.
	pos int
}

// schedule is a heap of leases by the moment at which one needs to be looked at. A moment that moves to later, as
// with each keep-alive, is left as it is: the look then finds the new moment and puts the lease back. So the many
// renewals cost nothing here, and one look in a lease's time costs a little.
type schedule []*slot

func (s schedule) Len() int           { return len(s) }
func (s schedule) Less(i, j int) bool { return s[i].at < s[j].at }
func (s schedule) Swap(i, j int) {
	s[i], s[j] = s[j], s[i]
	s[i].pos, s[j].pos = i, j
}

// Push is for package heap.
func (s *schedule) Push(x any) {
	sl := x.(*slot)
	sl.pos = len(*s)
	*s = append(*s, sl)
}

// Pop is for package heap.
func (s *schedule) Pop() any {
	last := len(*s) - 1
	sl := (*s)[last]
	(*s)[last] = nil
	*s = (*s)[:last]
	sl.pos = -1
	return sl
}

// set has the slot looked at by at: it enters the schedule, or moves within it.
func (s *schedule) set(sl *slot, at instant) {
	sl.at = at
	if sl.pos < 0 {
		heap.Push(s, sl)
		return
	}
	heap.Fix(s, sl.pos)
}

// remove takes the slot out, if it is in.
func (s *schedule) remove(sl *slot) {
	if sl.pos >= 0 {
		heap.Remove(s, sl.pos)
	}
}

// due is the slot to look at now, nil when there is none yet.
func (s schedule) due(now instant) *slot {
	if len(s) == 0 || s[0].at > now {
		return nil
	}
	return s[0]
}

// next is when the next slot is due, never when the schedule is empty.
func (s schedule) next() instant {
	if len(s) == 0 {
		return never
	}
	return s[0].at
}
