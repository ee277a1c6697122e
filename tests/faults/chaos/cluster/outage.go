package cluster

import (
	"time"

	"github.com/quoratedb/quorate/tests/faults/chaos/history"
)

// outage is a time in which a member's process did not run, was frozen, or had not served since, so that nobody can expect
// an answer of it.
type outage struct {
	endpoint   string
	begin, end time.Time // end is zero while it lasts
}

// down notes that a member does not run from now on; up that it serves.
func (c *Cluster) down(m *Member) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mu.outages = append(c.mu.outages, &outage{endpoint: m.Endpoint(), begin: time.Now()})
}

func (c *Cluster) up(m *Member) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, o := range c.mu.outages {
		if o.endpoint == m.Endpoint() && o.end.IsZero() {
			o.end = time.Now()
		}
	}
}

// Outages are the times in which members did not run, counted from a moment. What lasts has no end within the run.
func (c *Cluster) Outages(begin time.Time) []history.Outage {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []history.Outage
	for _, o := range c.mu.outages {
		end := o.end
		if end.IsZero() {
			end = time.Now()
		}
		all = append(all, history.Outage{Endpoint: o.endpoint, Begin: o.begin.Sub(begin), End: end.Sub(begin)})
	}
	return all
}
