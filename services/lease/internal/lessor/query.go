package lessor

import "time"

// Remaining is what a lease has left.
type Remaining struct {
	// TTL is in whole seconds, 0 once it has expired, -1 when there is no such lease. Granted is what it had at first.
	TTL, Granted int64
	// Seen is the newest known position.
	Seen Position
}

// Exists tells whether there is such a lease.
func (r Remaining) Exists() bool { return r.TTL >= 0 }

// Remaining tells what a lease has left.
func (l *Lessor) Remaining(at Moment, id int64) Remaining {
	r := Remaining{TTL: -1, Seen: l.seen}
	if e := l.table.leases[id]; e != nil {
		r.TTL = max(0, int64(e.deadline.until(l.time.now(at))/time.Second))
		r.Granted = e.ttl
	}
	return r
}

// Unknown is the latch that is released once it is known whether there is such a lease, or with id 0 which leases there are; nil
// if that is known.
func (l *Lessor) Unknown(id int64) *Latch {
	if one, is := l.table.unknown.one(id); is {
		return l.table.latches[one]
	}
	return nil
}

// Deadlines notes some of the leases before a place in the table's order, and answers where to go on. Leases that come and go
// meanwhile are there or not, as if they had come or gone a little earlier or later.
func (l *Lessor) Deadlines(before int, into map[int64]Instant) (next int) {
	order := l.table.order
	before = min(before, len(order))
	next = max(0, before-sliceLeasesMax)
	for _, e := range order[next:before] {
		into[e.id] = e.deadline
	}
	return next
}
