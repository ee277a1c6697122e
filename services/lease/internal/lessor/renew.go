package lessor

// Renewal is one keep-alive request on its way.
type Renewal struct {
	// TTLs are the answer, in the order of the ids: seconds, 0 for a lease that does not exist, Waits for one that was not to be
	// waited for. Renewed counts the others.
	TTLs    []int64
	Renewed int
	// NoWait says that what would have to wait is left as it is.
	NoWait bool
	// Since is from when on a confirmation of the epoch will do: Moment.Recent when the request came, or when it had waited for
	// something else. What is asked for after that answers it however long it takes.
	Since Uptime
	// Recorded are ids whose record in the log must be cleared under Epoch before they can be answered.
	Recorded []int64
	Epoch    uint64
	// Busy is a latch that must be released before the rest can be answered, nil when there is none.
	Busy *Latch
	// Seen is the newest known position when the first of the leases were renewed: a later one may be that of their end.
	Seen Position

	ids []int64
	// open are the indexes of the ids that are not answered yet.
	open []int
	// clearing latches Recorded.
	clearing *Latch
}

// Waits is the answer for a lease that would have had to wait for something.
const Waits = -1

// NewRenewal is a request that came now.
func NewRenewal(ids []int64, now Moment) *Renewal {
	r := &Renewal{ids: ids, TTLs: make([]int64, len(ids)), Since: now.Recent(), open: make([]int, len(ids))}
	for i := range r.open {
		r.open[i] = i
	}
	return r
}

// Answered tells whether all of it is.
func (r *Renewal) Answered() bool { return len(r.open) == 0 }

// Renew answers what can be answered at once. It does nothing, and says so, if it is not sure that this service holds the newest
// epoch. A lease that has expired is renewed as long as nobody has proposed to revoke it.
func (l *Lessor) Renew(at Moment, r *Renewal) (sure bool) {
	if l.Assured(at, r.Since) != Sure {
		return false
	}
	if r.Seen == (Position{}) {
		r.Seen = l.seen
	}
	now := l.time.now(at)
	t := &l.table
	open := r.open[:0]
	r.Busy, r.Recorded, r.Epoch = nil, nil, l.epoch
	for _, i := range r.open {
		id := r.ids[i]
		latch, e := t.latches[id], t.leases[id]
		switch {
		case r.NoWait && (latch != nil || e != nil && e.checkpointed):
			r.TTLs[i] = Waits
		case latch != nil:
			if latch != r.clearing {
				r.Busy = latch
			}
			open = append(open, i)
		case e == nil:
			r.TTLs[i] = 0
		case e.checkpointed:
			if len(r.Recorded) == 0 {
				r.clearing = newLatch()
			}
			t.latches.take(r.clearing, id)
			r.Recorded = append(r.Recorded, id)
			open = append(open, i)
		default:
			t.renew(e, now)
			r.TTLs[i] = e.ttl
			r.Renewed++
		}
	}
	r.open = open
	return true
}

// RecordsCleared tells whether the log has forgotten what was recorded of a renewal's leases.
func (l *Lessor) RecordsCleared(r *Renewal, cleared bool) {
	for _, id := range r.Recorded {
		if e := l.table.leases[id]; e != nil && cleared {
			e.checkpointed = false
		}
	}
	l.table.latches.release(r.Recorded...)
}
