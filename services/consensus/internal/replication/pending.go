package replication

import (
	"runtime"
	"sync"
	"time"

	"go.etcd.io/raft/v3/raftpb"
)

// pending is proposals behind a lock: callers, the replica's loop and the applier's share them.
type pending struct {
	// ready receives a value when there may be a command in line.
	ready chan struct{}
	mu    struct {
		sync.Mutex
		*proposals
		// gathering says that somebody is about to tell the loop of the commands in line.
		gathering bool
		// clock looks for callers whose time is up; ticking is set while it runs, which it does while anything waits.
		clock   *time.Timer
		ticking bool
	}
}

func newPending(p *proposals) *pending {
	q := &pending{ready: make(chan struct{}, 1)}
	q.mu.proposals = p
	return q
}

// add puts a command in line. It returns errdefs.ErrTooManyRequests where too much waits already. The first in line lets other goroutines run before
// it has the line taken: where processors are scarce those are callers too, and one entry and one sync are for all of them. Else nobody is
// waited for.
func (p *pending) add(one *Proposal) error {
	first, err := p.enqueue(one)
	if first {
		runtime.Gosched()
		nudge(p.ready)
	}
	return err
}

func (p *pending) enqueue(one *Proposal) (first bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.mu.add(one); err != nil {
		return false, err
	}
	if !p.mu.ticking {
		p.tickLocked()
	}
	first, p.mu.gathering = !p.mu.gathering, true
	return first, nil
}

func (p *pending) tickLocked() {
	p.mu.ticking = true
	if p.mu.clock == nil {
		p.mu.clock = time.AfterFunc(lateTick, p.tick)
		return
	}
	p.mu.clock.Reset(lateTick)
}

// tick tells callers whose time is up. One clock for all is cheaper than a timer for each.
func (p *pending) tick() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mu.tellLate(time.Now())
	if p.mu.ticking = !p.mu.stopped && !p.mu.idle(); p.mu.ticking {
		p.tickLocked()
	}
}

func (p *pending) held() (inLine int, bytes int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.mu.inLineCount(), p.mu.bytes
}

func (p *pending) waiting() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.mu.waitingCount()
}

func (p *pending) commit(messages []*raftpb.Message, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mu.commit(messages, now)
}

func (p *pending) forget(one *Proposal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mu.forget(one)
}

func (p *pending) sync(entries []*raftpb.Entry, begun, ended time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mu.sync(entries, begun, ended)
}

func (p *pending) next(term uint64, now time.Time) *batch {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mu.gathering = false
	return p.mu.next(term, now)
}

func (p *pending) putBack(b *batch) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mu.putBack(b)
	nudge(p.ready)
}

func (p *pending) waitsFor(sequence uint64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.mu.waitsFor(sequence)
}

func (p *pending) take(origin, sequence uint64) []*Proposal {
	if origin != p.from() {
		return nil // without the lock: most entries are others'
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.mu.take(origin, sequence)
}

func (p *pending) told() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mu.told()
}

func (p *pending) dropBefore(term uint64) []*Proposal {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.mu.dropBefore(term)
}

// stop returns what is still in line and lets nothing come after it.
func (p *pending) stop() []*Proposal {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.mu.stop()
}

// from does not change.
func (p *pending) from() uint64 { return p.mu.origin }

func nudge(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
