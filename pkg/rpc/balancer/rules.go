package balancer

import "time"

// The rules of which streams are kept and when a broken one is opened again, as plain functions of what has happened and when. Balancer's
// goroutines ask them, and do what they say.

const (
	// reconnectPauseMin and reconnectPauseMax bound the doubling pause between attempts to reach a node. The longest is
	// how long a node that came back may wait to be used.
	reconnectPauseMin = 50 * time.Millisecond
	reconnectPauseMax = time.Second
	// steadyTime is how long a stream must have lasted for its end to be no reason for longer pauses: a node that answers
	// and breaks at once is met no more often than one that does not answer.
	steadyTime = 5 * time.Second
	// missingInterval is how often it is said that a node is missing.
	missingInterval = 10 * time.Second
)

// place is where a node is: the resolver.Set may find the same one again as another resolver.Node.
type place struct{ url, address string }

// places are the nodes there are, and those with a stream. A node that is listed no more keeps its stream until that breaks, and so
// is not met a second time if it comes back before.
type places struct{ listed, kept map[place]bool }

func newPlaces() places { return places{listed: map[place]bool{}, kept: map[place]bool{}} }

// list says which nodes there are now, and returns by their index those that a stream is to be opened to.
func (p *places) list(now []place) (open []int) {
	p.listed = map[place]bool{}
	for i, one := range now {
		p.listed[one] = true
		if !p.kept[one] {
			p.kept[one] = true
			open = append(open, i)
		}
	}
	return open
}

// broke says that a node's stream has broken, and returns whether it is opened again: a node that is listed no more is given up.
func (p *places) broke(one place) (again bool) {
	if !p.listed[one] {
		delete(p.kept, one)
	}
	return p.listed[one]
}

// attempts are those to reach one node. The zero value is before the first.
type attempts struct {
	pause time.Duration
	// since is when the node was there last, or was missed first, and said when that was said last.
	since, said time.Time
}

// ended says that an attempt has ended at a time, whether the node ever spoke in it, and how long it lasted. It returns how long to wait
// before the next one, and whether to say now that the node is missing.
func (a *attempts) ended(now time.Time, spoke bool, lasted time.Duration) (pause time.Duration, say bool) {
	if spoke || a.since.IsZero() {
		a.since, a.said = now, time.Time{}
	}
	a.pause = min(2*a.pause, reconnectPauseMax)
	if a.pause == 0 || spoke && lasted >= steadyTime {
		a.pause = reconnectPauseMin
	}
	if say = now.Sub(a.said) >= missingInterval; say {
		a.said = now
	}
	return a.pause, say
}
