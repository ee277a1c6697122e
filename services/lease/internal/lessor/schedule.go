package lessor

import "container/heap"

// slot is the place of something, such as a lease, in a schedule.
type slot[T any] struct {
	owner T
	at    Instant
	// pos is the place in the heap, -1 outside it.
	pos int
}

// schedule is a heap by the moment at which one needs to be looked at. A moment that moves to later, as with each keep-alive,
// is left as it is: the look then finds the new moment and puts the slot back. So the many renewals cost nothing here, and one
// look in a lease's time costs a little.
type schedule[T any] []*slot[T]

func (s schedule[T]) Len() int           { return len(s) }
func (s schedule[T]) Less(i, j int) bool { return s[i].at < s[j].at }
func (s schedule[T]) Swap(i, j int) {
	s[i], s[j] = s[j], s[i]
	s[i].pos, s[j].pos = i, j
}

// Push is for package heap.
func (s *schedule[T]) Push(x any) {
	sl := x.(*slot[T])
	sl.pos = len(*s)
	*s = append(*s, sl)
}

// Pop is for package heap.
func (s *schedule[T]) Pop() any {
	last := len(*s) - 1
	sl := (*s)[last]
	(*s)[last] = nil
	*s = (*s)[:last]
	sl.pos = -1
	return sl
}

// set has the slot looked at by at: it enters the schedule, or moves within it.
func (s *schedule[T]) set(sl *slot[T], at Instant) {
	sl.at = at
	if sl.pos < 0 {
		heap.Push(s, sl)
		return
	}
	heap.Fix(s, sl.pos)
}

// remove takes the slot out, if it is in.
func (s *schedule[T]) remove(sl *slot[T]) {
	if sl.pos >= 0 {
		heap.Remove(s, sl.pos)
	}
}

// due is the slot to look at now, nil when there is none yet.
func (s schedule[T]) due(now Instant) *slot[T] {
	if len(s) == 0 || s[0].at > now {
		return nil
	}
	return s[0]
}

// next is when the next slot is due, never when the schedule is empty.
func (s schedule[T]) next() Instant {
	if len(s) == 0 {
		return never
	}
	return s[0].at
}
