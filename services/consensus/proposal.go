package consensus

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/pkg/problem"
)

// proposal is one command on its way through the log, and the caller that waits for it.
type proposal struct {
	command *consensusv1.Command
	encoded []byte
	// done receives the outcome once; its capacity is 1, so that a caller that left blocks nobody.
	done chan outcome
}

type outcome struct {
	result *consensusv1.Result
	err    error
}

func newProposal(command *consensusv1.Command) (*proposal, error) {
	encoded, err := proto.Marshal(command)
	if err != nil {
		return nil, fmt.Errorf("encode command: %w", err)
	}
	return &proposal{command: command, encoded: encoded, done: make(chan outcome, 1)}, nil
}

// wait returns the outcome, or why the caller stopped waiting for it: the proposal may then still take effect.
func (p *proposal) wait(ctx context.Context, stopped <-chan struct{}) (*consensusv1.Result, error) {
	select {
	case o := <-p.done:
		return o.result, o.err
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for a proposal: %w", context.Cause(ctx))
	case <-stopped:
		// The applier may have answered in the same instant.
		select {
		case o := <-p.done:
			return o.result, o.err
		default:
			return nil, fmt.Errorf("wait for a proposal: %w", problem.ErrStopped)
		}
	}
}

// pending holds the batches of proposals that this process has put into log entries, until they are applied. The
// replica adds, the applier takes.
type pending struct {
	// origin tells this run of the process from every other, so that entries replayed from before a restart, or made
	// by another member, find no waiter here.
	origin uint64

	mu struct {
		sync.Mutex
		sequence uint64
		batches  map[uint64]pendingBatch
	}
}

type pendingBatch struct {
	proposals []*proposal
	// term is the raft term the batch was proposed in. Once an entry of a later term is applied without it, it is lost.
	term uint64
}

func newPending() *pending {
	p := &pending{origin: rand.Uint64()}
	p.mu.batches = make(map[uint64]pendingBatch)
	return p
}

// add registers a batch and returns its sequence number.
func (p *pending) add(proposals []*proposal, term uint64) uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mu.sequence++
	p.mu.batches[p.mu.sequence] = pendingBatch{proposals: proposals, term: term}
	return p.mu.sequence
}

// take returns the proposals of an entry of this process, nil for any other entry.
func (p *pending) take(origin, sequence uint64) []*proposal {
	if origin != p.origin {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	batch := p.mu.batches[sequence]
	delete(p.mu.batches, sequence)
	return batch.proposals
}

// dropBefore returns and forgets the batches that were proposed in a term before term.
func (p *pending) dropBefore(term uint64) []*proposal {
	p.mu.Lock()
	defer p.mu.Unlock()
	var lost []*proposal
	for sequence, batch := range p.mu.batches {
		if batch.term < term {
			lost = append(lost, batch.proposals...)
			delete(p.mu.batches, sequence)
		}
	}
	return lost
}

func answerAll(proposals []*proposal, err error) {
	for _, p := range proposals {
		p.done <- outcome{err: err}
	}
}

// Field numbers of consensusv1.LogEntry, which is put together from commands that are encoded already.
const (
	logEntryOrigin   protowire.Number = 1
	logEntrySequence protowire.Number = 2
	logEntryCommands protowire.Number = 3
)

// encodeLogEntry builds the encoding of a consensusv1.LogEntry around encoded commands.
func encodeLogEntry(origin, sequence uint64, proposals []*proposal) []byte {
	size := 32
	for _, p := range proposals {
		size += len(p.encoded) + 6
	}
	b := make([]byte, 0, size)
	b = protowire.AppendTag(b, logEntryOrigin, protowire.Fixed64Type)
	b = protowire.AppendFixed64(b, origin)
	b = protowire.AppendTag(b, logEntrySequence, protowire.Fixed64Type)
	b = protowire.AppendFixed64(b, sequence)
	for _, p := range proposals {
		b = protowire.AppendTag(b, logEntryCommands, protowire.BytesType)
		b = protowire.AppendBytes(b, p.encoded)
	}
	return b
}

// logEntryHeader reads origin and sequence, which encodeLogEntry puts first, without decoding the commands. ok is
// false where they do not stand there.
func logEntryHeader(data []byte) (origin, sequence uint64, ok bool) {
	number, kind, n := protowire.ConsumeTag(data)
	if n < 0 || number != logEntryOrigin || kind != protowire.Fixed64Type {
		return 0, 0, false
	}
	origin, m := protowire.ConsumeFixed64(data[n:])
	if m < 0 {
		return 0, 0, false
	}
	data = data[n+m:]
	number, kind, n = protowire.ConsumeTag(data)
	if n < 0 || number != logEntrySequence || kind != protowire.Fixed64Type {
		return 0, 0, false
	}
	sequence, m = protowire.ConsumeFixed64(data[n:])
	return origin, sequence, m >= 0
}
