package replication

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"go.etcd.io/raft/v3/raftpb"

	"github.com/quoratedb/quorate/pkg/errdefs"
)

// proposals are the commands that callers of this process wait for: first in line, then in batches, each of which is a
// log entry, until they are applied. Callers add and forget, the stepper makes batches, the applier takes them.
//
// What waits is bounded by number and by bytes for all of that time, and what nobody waits for any more is forgotten: a
// command that is still in line is never proposed then, and a batch that was lost on its way goes with its last caller.
type proposals struct {
	// origin tells this run of the process from every other, so that entries replayed from before a restart, or made
	// by another member, find no waiter here.
	origin uint64
	// line holds the commands that no batch has, the oldest first. Those whose callers left have no place and are
	// passed over; there are left of them.
	line []*Proposal
	left int
	// bytes is the encoded size of all that is in line and in batches.
	bytes    int64
	sequence uint64
	batches  map[uint64]*batch
	// applying are batches that were taken and whose callers have no answer yet.
	applying []*batch
	// bytesMax is how much may wait, but for one command alone.
	bytesMax int64
	stopped  bool
}

// batch is the commands of one log entry.
type batch struct {
	proposals []*Proposal
	sequence  uint64
	// bytes is the encoded size of its commands, waiting how many of their callers are still there.
	bytes   int64
	waiting int
	// term is the raft term the batch was proposed in. Once an entry of a later term is applied without it, it is lost.
	term  uint64
	times batchTimes
}

// newProposals makes room for what a process that may take so much memory can have waiting.
func newProposals(origin uint64, memory int64) *proposals {
	return &proposals{origin: origin, batches: make(map[uint64]*batch), bytesMax: min(proposalBytesMax, memory/proposalsPart)}
}

func (p *proposals) from() uint64 { return p.origin }

// add puts a command in line. It returns errdefs.ErrTooManyRequests where too much waits already.
func (p *proposals) add(one *Proposal) error {
	switch {
	case p.stopped:
		return fmt.Errorf("propose: %w", errdefs.ErrStopped)
	case len(p.line)-p.left >= proposalsWaitingMax:
		return fmt.Errorf("propose: %d commands are waiting: %w", proposalsWaitingMax, errdefs.ErrTooManyRequests)
	case p.bytes > 0 && p.bytes+one.size > p.bytesMax:
		return fmt.Errorf("propose: commands of %d bytes are waiting: %w", p.bytes, errdefs.ErrTooManyRequests)
	}
	p.bytes += one.size
	p.line = append(p.line, one)
	one.place = inLine
	return nil
}

// inLineCount is how many commands wait to be put into a log entry.
func (p *proposals) inLineCount() int {
	return len(p.line) - p.left
}

// waitingCount is how many callers wait for commands, in line and in batches.
func (p *proposals) waitingCount() int {
	count := p.inLineCount()
	for _, b := range p.batches {
		count += b.waiting
	}
	return count
}

// commit notes that the entries of messages are committed.
func (p *proposals) commit(messages []*raftpb.Message, now time.Time) {
	for _, m := range messages {
		p.each(m.GetEntries(), func(b *batch) { b.times.committed = now })
	}
}

// sync notes that entries were synced here.
func (p *proposals) sync(entries []*raftpb.Entry, begun, ended time.Time) {
	p.each(entries, func(b *batch) { b.times.syncBegun, b.times.synced = begun, ended })
}

// each calls fn with the batches of this process that are among entries, and not answered yet.
func (p *proposals) each(entries []*raftpb.Entry, fn func(*batch)) {
	if len(p.batches) == 0 {
		return
	}
	for _, entry := range entries {
		if origin, sequence, ok := logEntryHeader(entry.GetData()); ok && origin == p.origin {
			if b := p.batches[sequence]; b != nil {
				fn(b)
			}
		}
	}
}

// forget is for a caller that does not wait any more.
func (p *proposals) forget(one *Proposal) {
	switch one.place {
	case inLine:
		p.bytes -= one.size
		p.left++
		one.leave()
		if p.left > len(p.line)/2 {
			p.line = slices.DeleteFunc(p.line, func(q *Proposal) bool { return q.place == nowhere })
			p.left = 0
		}
	case inBatch:
		b := one.batch
		one.place = nowhere
		if b.waiting--; b.waiting == 0 {
			p.drop(b)
		}
	}
}

// next makes a batch of what stands first in line, nil if nothing does.
func (p *proposals) next(term uint64, now time.Time) *batch {
	b := &batch{term: term, times: batchTimes{begun: now}}
	taken := 0
	for _, one := range p.line {
		if n := len(b.proposals); n == entryCommandsMax || n > 0 && b.bytes+one.size > entryBytesMax {
			break
		}
		taken++
		if one.place == nowhere {
			p.left--
			continue
		}
		one.place, one.batch = inBatch, b
		b.proposals = append(b.proposals, one)
		b.bytes += one.size
	}
	clear(p.line[:taken])
	p.line = p.line[taken:]
	if len(b.proposals) == 0 {
		return nil
	}
	p.sequence++
	b.sequence, b.waiting = p.sequence, len(b.proposals)
	p.batches[b.sequence] = b
	return b
}

// putBack lets a batch that raft has no room for stand first in line again, without those whose callers left.
func (p *proposals) putBack(b *batch) {
	if p.batches[b.sequence] != b {
		return // all of them left
	}
	p.drop(b)
	again := make([]*Proposal, 0, len(b.proposals)+len(p.line))
	for _, one := range b.proposals {
		if one.place == inBatch {
			one.place, one.batch = inLine, nil
			p.bytes += one.size
			again = append(again, one)
		}
	}
	p.line = append(again, p.line...)
}

// tellLate tells callers whose time is up. They forget their commands themselves.
func (p *proposals) tellLate(now time.Time) {
	for _, one := range p.line {
		one.tellLate(now)
	}
	for _, b := range p.batches {
		b.tellLate(now)
	}
	for _, b := range p.applying {
		b.tellLate(now)
	}
}

func (b *batch) tellLate(now time.Time) {
	for _, one := range b.proposals {
		one.tellLate(now)
	}
}

// idle tells that nobody waits for anything.
func (p *proposals) idle() bool { return len(p.applying) == 0 && p.waitingCount() == 0 }

// waitsFor tells whether anybody waits for a batch.
func (p *proposals) waitsFor(sequence uint64) bool {
	return p.batches[sequence] != nil
}

// take returns the proposals of an entry of this process, nil for any other entry and where nobody waits. Whoever takes any, or has dropBefore return
// some, calls told once they are answered.
func (p *proposals) take(origin, sequence uint64) []*Proposal {
	if origin != p.origin {
		return nil
	}
	b := p.batches[sequence]
	if b == nil {
		return nil
	}
	p.drop(b)
	p.applying = append(p.applying, b)
	return b.proposals
}

// told says that the callers of all that was taken have their answers.
func (p *proposals) told() {
	clear(p.applying)
	p.applying = p.applying[:0]
}

// dropBefore returns and forgets the batches that were proposed in a term before term, the oldest first.
func (p *proposals) dropBefore(term uint64) []*Proposal {
	var lost []*Proposal
	for _, sequence := range slices.Sorted(maps.Keys(p.batches)) {
		if b := p.batches[sequence]; b.term < term {
			lost = append(lost, b.proposals...)
			p.drop(b)
			p.applying = append(p.applying, b)
		}
	}
	return lost
}

// drop forgets a batch, if that was not done before.
func (p *proposals) drop(b *batch) {
	if p.batches[b.sequence] != b {
		return
	}
	delete(p.batches, b.sequence)
	p.bytes -= b.bytes
}

// stop returns what is still in line and lets nothing come after it.
func (p *proposals) stop() []*Proposal {
	p.stopped = true
	line := slices.DeleteFunc(p.line, func(q *Proposal) bool { return q.place == nowhere })
	for _, one := range line {
		p.bytes -= one.size
		one.place = nowhere
	}
	p.line, p.left = nil, 0
	return line
}
