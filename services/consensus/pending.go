package consensus

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"

	"github.com/quoratedb/quorate/pkg/problem"
)

// pending holds the commands that callers of this process wait for: first in line, then in batches, each of which is a
// log entry, until they are applied. Callers add and forget, the replica makes batches, the applier takes them.
//
// What waits is bounded by number and by bytes for all of that time, and what nobody waits for any more is forgotten: a
// command that is still in line is never proposed then, and a batch that was lost on its way goes with its last caller.
type pending struct {
	// origin tells this run of the process from every other, so that entries replayed from before a restart, or made
	// by another member, find no waiter here.
	origin uint64
	// ready receives a value when there may be a command in line.
	ready chan struct{}
	// bytesMax is how much may wait, but for one command alone.
	bytesMax int64

	mu struct {
		sync.Mutex
		// line holds the commands that no batch has, the oldest first. Those whose callers left have no place and are
		// passed over; there are left of them.
		line []*proposal
		left int
		// bytes is the encoded size of all that is in line and in batches.
		bytes    int64
		sequence uint64
		batches  map[uint64]*proposalBatch
		stopped  bool
	}
}

// proposalBatch is the commands of one log entry.
type proposalBatch struct {
	proposals []*proposal
	sequence  uint64
	// bytes is the encoded size of its commands, waiting how many of their callers are still there.
	bytes   int64
	waiting int
	// term is the raft term the batch was proposed in. Once an entry of a later term is applied without it, it is lost.
	term uint64
}

// newPending makes room for what a process that may take so much memory can have waiting.
func newPending(memory int64) *pending {
	p := &pending{origin: rand.Uint64(), ready: make(chan struct{}, 1), bytesMax: min(proposalBytesMax, memory/proposalsPart)}
	p.mu.batches = make(map[uint64]*proposalBatch)
	return p
}

// add puts a command in line. It returns problem.ErrTooManyRequests where too much waits already.
func (p *pending) add(one *proposal) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.mu.stopped:
		return fmt.Errorf("propose: %w", problem.ErrStopped)
	case len(p.mu.line)-p.mu.left >= proposalsWaitingMax:
		return fmt.Errorf("propose: %d commands are waiting: %w", proposalsWaitingMax, problem.ErrTooManyRequests)
	case p.mu.bytes > 0 && p.mu.bytes+one.size > p.bytesMax:
		return fmt.Errorf("propose: commands of %d bytes are waiting: %w", p.mu.bytes, problem.ErrTooManyRequests)
	}
	p.mu.bytes += one.size
	p.mu.line = append(p.mu.line, one)
	one.place = inLine
	nudge(p.ready)
	return nil
}

// inLineCount is how many commands wait to be put into a log entry.
func (p *pending) inLineCount() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.mu.line) - p.mu.left
}

// forget is for a caller that does not wait any more.
func (p *pending) forget(one *proposal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch one.place {
	case inLine:
		p.mu.bytes -= one.size
		p.mu.left++
		one.leave()
		if p.mu.left > len(p.mu.line)/2 {
			p.mu.line = slices.DeleteFunc(p.mu.line, func(q *proposal) bool { return q.place == nowhere })
			p.mu.left = 0
		}
	case inBatch:
		batch := one.batch
		one.place = nowhere
		if batch.waiting--; batch.waiting == 0 {
			p.dropLocked(batch)
		}
	}
}

// next makes a batch of what stands first in line, nil if nothing does.
func (p *pending) next(term uint64) *proposalBatch {
	p.mu.Lock()
	defer p.mu.Unlock()
	batch := &proposalBatch{term: term}
	taken := 0
	for _, one := range p.mu.line {
		if n := len(batch.proposals); n == entryCommandsMax || n > 0 && batch.bytes+one.size > entryBytesMax {
			break
		}
		taken++
		if one.place == nowhere {
			p.mu.left--
			continue
		}
		one.place, one.batch = inBatch, batch
		batch.proposals = append(batch.proposals, one)
		batch.bytes += one.size
	}
	clear(p.mu.line[:taken])
	p.mu.line = p.mu.line[taken:]
	if len(batch.proposals) == 0 {
		return nil
	}
	p.mu.sequence++
	batch.sequence, batch.waiting = p.mu.sequence, len(batch.proposals)
	p.mu.batches[batch.sequence] = batch
	return batch
}

// putBack lets a batch that raft has no room for stand first in line again, without those whose callers left.
func (p *pending) putBack(batch *proposalBatch) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.mu.batches[batch.sequence] != batch {
		return // all of them left
	}
	p.dropLocked(batch)
	again := make([]*proposal, 0, len(batch.proposals)+len(p.mu.line))
	for _, one := range batch.proposals {
		if one.place == inBatch {
			one.place, one.batch = inLine, nil
			p.mu.bytes += one.size
			again = append(again, one)
		}
	}
	p.mu.line = append(again, p.mu.line...)
	nudge(p.ready)
}

// has tells whether a batch is still waited for.
func (p *pending) has(sequence uint64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.mu.batches[sequence] != nil
}

// take returns the proposals of an entry of this process, nil for any other entry and where nobody waits.
func (p *pending) take(origin, sequence uint64) []*proposal {
	if origin != p.origin {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	batch := p.mu.batches[sequence]
	if batch == nil {
		return nil
	}
	p.dropLocked(batch)
	return batch.proposals
}

// dropBefore returns and forgets the batches that were proposed in a term before term.
func (p *pending) dropBefore(term uint64) []*proposal {
	p.mu.Lock()
	defer p.mu.Unlock()
	var lost []*proposal
	for _, batch := range p.mu.batches {
		if batch.term < term {
			lost = append(lost, batch.proposals...)
			p.dropLocked(batch)
		}
	}
	return lost
}

// dropAll returns and forgets all batches.
func (p *pending) dropAll() []*proposal { return p.dropBefore(^uint64(0)) }

// dropLocked forgets a batch, if that was not done before.
func (p *pending) dropLocked(batch *proposalBatch) {
	if p.mu.batches[batch.sequence] != batch {
		return
	}
	delete(p.mu.batches, batch.sequence)
	p.mu.bytes -= batch.bytes
}

// stop returns what is still in line and lets nothing come after it.
func (p *pending) stop() []*proposal {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mu.stopped = true
	line := slices.DeleteFunc(p.mu.line, func(q *proposal) bool { return q.place == nowhere })
	for _, one := range line {
		p.mu.bytes -= one.size
		one.place = nowhere
	}
	p.mu.line, p.mu.left = nil, 0
	return line
}
