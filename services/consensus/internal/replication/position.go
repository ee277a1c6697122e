package replication

import (
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/raft/v3"
)

// published is where raft is, as others may know it without asking its owner, who moves it.
type published struct {
	term, leader, committed atomic.Uint64
	// leaderSince is when the leader was last seen to change, leaderElected when there was one where there was none or
	// another one before: nanoseconds since 1970.
	leaderSince, leaderElected atomic.Int64

	mu struct {
		sync.Mutex
		leader, term uint64
		changed      chan struct{}
	}
}

func newPublished() *published {
	p := &published{}
	p.mu.changed = make(chan struct{})
	return p
}

func (p *published) set(now position, leaderChanged bool) {
	p.leader.Store(now.leader)
	p.term.Store(now.term)
	p.committed.Store(now.committed)
	p.setLeader(now.leader, now.term)
	if !leaderChanged {
		return
	}
	if now.leader != raft.None {
		p.leaderElected.Store(time.Now().UnixNano())
	}
	p.leaderSince.Store(time.Now().UnixNano())
}

// setLeader wakes those who wait for a leader or its term to change.
func (p *published) setLeader(leader, term uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.mu.leader == leader && p.mu.term == term {
		return
	}
	p.mu.leader, p.mu.term = leader, term
	p.wakeLocked()
}

// announce wakes those who wait for a change.
func (p *published) announce() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wakeLocked()
}

func (p *published) wakeLocked() {
	close(p.mu.changed)
	p.mu.changed = make(chan struct{})
}

func (p *published) standing() (leader, term uint64, changed <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.mu.leader, p.mu.term, p.mu.changed
}
