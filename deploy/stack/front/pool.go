package front

import (
	"cmp"
	"net/netip"
	"slices"
	"sync"
)

// condition is what a node's last answer said of it.
type condition int

const (
	// gone: it does not answer.
	gone condition = iota
	// alive: it answers that it is not ready.
	alive
	// ready: it serves.
	ready
)

// String names the condition in logs.
func (c condition) String() string { return [...]string{"gone", "alive", "ready"}[c] }

// node is one address of the host, with the connections that are passed on to it.
type node struct {
	address netip.Addr
	is      condition
	// failures are the looks in a row at which it was not ready.
	failures int
	// conns are the ends of connections, each with what ends it.
	conns map[int]func()
}

// pool is the nodes that are known. Its methods may be called by any goroutine.
type pool struct {
	mu struct {
		sync.Mutex
		nodes map[netip.Addr]*node
		next  int // names connections
	}
}

func newPool() *pool {
	p := &pool{}
	p.mu.nodes = map[netip.Addr]*node{}
	return p
}

// know adds addresses that are new, and returns all that are known.
func (p *pool) know(addresses []netip.Addr) []netip.Addr {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, address := range addresses {
		if p.mu.nodes[address] == nil {
			p.mu.nodes[address] = &node{address: address, conns: map[int]func(){}}
		}
	}
	known := make([]netip.Addr, 0, len(p.mu.nodes))
	for address := range p.mu.nodes {
		known = append(known, address)
	}
	return known
}

// change is a node whose condition is another than before.
type change struct {
	address netip.Addr
	is      condition
}

// settle takes what each known node has answered, forgets those that are gone and no longer listed, and returns what has changed and what ends the
// connections that lead nowhere: those of nodes that were not ready failuresMax times in a row, unless no other node does better.
func (p *pool) settle(answers map[netip.Addr]condition, listed []netip.Addr) (changed []change, end []func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	best := gone
	for address, is := range answers {
		n := p.mu.nodes[address]
		if n.is != is {
			changed = append(changed, change{address, is})
		}
		n.is = is
		n.failures++
		if is == ready {
			n.failures = 0
		}
		best = max(best, is)
	}
	for address, n := range p.mu.nodes {
		left := n.is == gone && !slices.Contains(listed, address)
		if n.failures < failuresMax || n.is == best && !left {
			continue
		}
		for _, stop := range n.conns {
			end = append(end, stop)
		}
		if left {
			delete(p.mu.nodes, address)
		}
	}
	return changed, end
}

// order returns the addresses to try for a new connection: ready nodes before those that are only alive, and among equals
// the ones with the fewest connections. Nodes that do not answer come last: they may have come back since.
func (p *pool) order() []netip.Addr {
	p.mu.Lock()
	defer p.mu.Unlock()
	nodes := make([]*node, 0, len(p.mu.nodes))
	for _, n := range p.mu.nodes {
		nodes = append(nodes, n)
	}
	slices.SortFunc(nodes, func(a, b *node) int {
		return cmp.Or(cmp.Compare(b.is, a.is), cmp.Compare(len(a.conns), len(b.conns)), a.address.Compare(b.address))
	})
	addresses := make([]netip.Addr, 0, len(nodes))
	for _, n := range nodes {
		addresses = append(addresses, n.address)
	}
	return addresses
}

// usable reports whether there is a node that answers.
func (p *pool) usable() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, n := range p.mu.nodes {
		if n.is != gone {
			return true
		}
	}
	return false
}

// count is how many nodes are in a condition.
func (p *pool) count(is condition) (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, known := range p.mu.nodes {
		if known.is == is {
			n++
		}
	}
	return n
}

// carried is how many connections are passed on.
func (p *pool) carried() (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, known := range p.mu.nodes {
		n += len(known.conns)
	}
	return n
}

// carry notes a connection to a node and what ends it, until done is called. It reports false for a node that has been forgotten.
func (p *pool) carry(address netip.Addr, stop func()) (done func(), known bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := p.mu.nodes[address]
	if n == nil {
		return nil, false
	}
	id := p.mu.next
	p.mu.next++
	n.conns[id] = stop
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(n.conns, id)
	}, true
}
