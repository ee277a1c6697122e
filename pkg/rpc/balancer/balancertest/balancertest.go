// Package balancertest stands in for a member of which tests say who leads. It is for tests alone.
package balancertest

import "sync"

// Leadership is who leads, as a test says. It is a balancer.Leadership.
type Leadership struct {
	mu      sync.Mutex
	leader  uint64
	changed chan struct{}
}

// NewLeadership is as member 1 sees it.
func NewLeadership(leader uint64) *Leadership {
	return &Leadership{leader: leader, changed: make(chan struct{})}
}

// MemberID implements balancer.Leadership.
func (*Leadership) MemberID() uint64 { return 1 }

// Leader implements balancer.Leadership.
func (l *Leadership) Leader() (uint64, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.leader, l.changed
}

// Set says that another one leads, 0 for nobody.
func (l *Leadership) Set(leader uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.leader = leader
	close(l.changed)
	l.changed = make(chan struct{})
}
