package tcpgateway

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"sync"
)

// Target is where a member listens.
type Target struct {
	// Address is host:port. The host is looked up for each connection, so that it may move.
	Address string
	// Priority and Weight are those of an SRV record (RFC 2782): of the least priority that can be reached a target is chosen as often as its
	// weight says. Without weights they take turns.
	Priority, Weight uint16
	// TLS says that the SRV record was of the service with TLS. A gateway passes either on.
	TLS bool
}

// pool knows which targets can be reached.
type pool struct {
	mu      sync.Mutex
	targets []*target
	turn    int
}

type target struct {
	Target
	// away is set when it could not be reached, until it can.
	away bool
}

func newPool(targets []Target) *pool {
	p := new(pool)
	for _, t := range targets {
		p.targets = append(p.targets, &target{Target: t})
	}
	return p
}

// order is in which order to try the targets for one connection: those that are away last, in case none of the others can be reached.
func (p *pool) order() []*target {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.turn++
	n := len(p.targets)
	order := make([]*target, n)
	rank := make(map[*target]float64, n)
	for i := range p.targets {
		t := p.targets[(i+p.turn)%n]
		order[i] = t
		if t.Weight > 0 {
			// Of exponential times each is the least as often as its rate says. Where others have no weight, these come first.
			rank[t] = -1 / (1 + rand.ExpFloat64()/float64(t.Weight))
		}
	}
	slices.SortStableFunc(order, func(a, b *target) int {
		if a.away != b.away {
			if a.away {
				return 1
			}
			return -1
		}
		return cmp.Or(cmp.Compare(a.Priority, b.Priority), cmp.Compare(rank[a], rank[b]))
	})
	return order
}

// mark says whether a target could be reached. It returns whether that is news.
func (p *pool) mark(t *target, away bool) (news bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	news = t.away != away
	t.away = away
	return news
}

// away returns the targets that could not be reached.
func (p *pool) away() []*target {
	p.mu.Lock()
	defer p.mu.Unlock()
	var away []*target
	for _, t := range p.targets {
		if t.away {
			away = append(away, t)
		}
	}
	return away
}
