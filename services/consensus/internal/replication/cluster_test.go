package replication

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/cryptotest"
	"time"

	"github.com/stretchr/testify/require"
	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// box is a cluster in one goroutine. Time, the order of events and raft's election timeouts come from a seed; a message, a write
// to a log and a batch of entries are an event each.
type box struct {
	t       *testing.T
	random  *rand.Rand
	now     time.Time
	ticks   int
	members []*boxed
	wire    []*raftpb.Message // between members, in no order
	trace   strings.Builder
}

// boxed is one member. What it loses with its process is made anew by start.
type boxed struct {
	id      uint64
	storage *raft.MemoryStorage
	state   *boxState
	up, cut bool

	stepper  *stepper
	commands *proposals
	reads    *readIndexes
	writer   logWriter
	applier  *applier
	done     progress
	toLog    []*raftpb.Message
	toApply  []*raftpb.Message
	answered map[*Proposal]error
	released map[uint64]bool
}

func newBox(t *testing.T, seed uint64) *box {
	cryptotest.SetGlobalRandom(t, seed)
	b := &box{t: t, random: rand.New(rand.NewPCG(seed, seed)), now: time.Unix(1_800_000_000, 0)}
	for id := range uint64(3) {
		m := &boxed{id: id + 1, storage: storageOf(t, 1, 2, 3), state: &boxState{index: 1, term: 1, values: map[string]string{}}}
		b.members = append(b.members, m)
		b.start(m)
	}
	return b
}

const boxElectionTicks = 10

func (b *box) start(m *boxed) {
	hardState, _, err := m.storage.InitialState()
	require.NoError(b.t, err)
	if hardState.GetCommit() < m.state.index { // what was applied was committed, also where the log does not say so yet
		hardState = &raftpb.HardState{Term: hardState.Term, Vote: hardState.Vote, Commit: new(m.state.index)}
		require.NoError(b.t, m.storage.SetHardState(hardState))
	}
	options := Config{ID: m.id, ElectionTicks: boxElectionTicks, Storage: m.storage, Logger: slog.New(slog.DiscardHandler)}
	node, err := raft.NewRawNode(raftConfig(options, m.state.index))
	require.NoError(b.t, err)
	m.up, m.done = true, progress{applied: m.state.index}
	m.toLog, m.toApply = nil, nil
	m.answered, m.released = map[*Proposal]error{}, map[uint64]bool{}
	m.commands = newProposals(b.random.Uint64(), math.MaxInt64)
	m.reads = newReadIndexes(m.state.index, b.random.Uint64())
	m.writer = logWriter{hardState: hardState, written: hardState}
	m.stepper = newStepper(node, m.id, settings{10 * time.Millisecond, boxElectionTicks}, m.commands, func(id uint64) bool {
		return b.reach(m.id, id)
	})
	m.applier = &applier{
		state: m.state, members: noMembers{}, waiting: m.commands, applied: m.state.index, term: m.state.term,
		reconfigure: func(_ context.Context, change raftpb.ConfChangeI) (*raftpb.ConfState, error) {
			return m.stepper.node.ApplyConfChange(change), nil
		},
	}
	b.say("%d starts at %d", m.id, m.state.index)
}

func (b *box) say(format string, args ...any) { fmt.Fprintf(&b.trace, format+"\n", args...) }

func (b *box) member(id uint64) *boxed { return b.members[id-1] }

func (b *box) reach(from, to uint64) bool {
	f, t := b.member(from), b.member(to)
	return f.up && t.up && !f.cut && !t.cut
}

// collect takes over what a member has decided.
func (b *box) collect(m *boxed) {
	m.stepper.done = m.done
	out := m.stepper.ready()
	for _, n := range out.notices {
		b.say("%d says %s %v", m.id, n.text, n.args)
	}
	for _, state := range out.reads {
		if group, released := m.reads.answer(state.RequestCtx, state.Index); released {
			m.released[group] = true
		}
	}
	for _, p := range out.refused {
		m.answered[p] = raft.ErrProposalDropped
	}
	m.toLog = append(m.toLog, out.toLog...)
	m.toApply = append(m.toApply, out.toApplier...)
	b.wire = append(b.wire, out.toPeers...)
}

func (b *box) tick() {
	b.ticks++
	b.now = b.now.Add(10 * time.Millisecond)
	for _, m := range b.members {
		if !m.up {
			continue
		}
		m.stepper.done = m.done
		m.stepper.tick()
		if m.stepper.ticks%readRetryTicks == 0 {
			for _, id := range m.reads.unanswered() {
				m.stepper.node.ReadIndex(id)
			}
		}
		if write, _ := m.writer.lull(); write.hardState != nil {
			b.write(m, write)
		}
		b.collect(m)
	}
}

// event lets one thing happen of those that can, and tells whether any could.
func (b *box) event() bool {
	var can []func()
	for i := range b.wire {
		can = append(can, func() { b.deliver(i) })
	}
	for _, m := range b.members {
		if !m.up {
			continue
		}
		if len(m.toLog) > 0 {
			can = append(can, func() { b.append(m) })
		}
		if len(m.toApply) > 0 {
			can = append(can, func() { b.apply(m) })
		}
		if m.commands.inLineCount() > 0 && m.stepper.mayPropose() {
			can = append(can, func() { m.stepper.propose(b.now); b.collect(m) })
		}
		if id, _ := m.reads.start(b.now); id != nil {
			m.stepper.node.ReadIndex(id)
			b.collect(m)
		}
	}
	if len(can) == 0 {
		return false
	}
	can[b.random.IntN(len(can))]()
	return true
}

func (b *box) deliver(i int) {
	m := b.wire[i]
	b.wire = slices.Delete(b.wire, i, i+1)
	if !b.reach(m.GetFrom(), m.GetTo()) {
		return
	}
	b.say("%d to %d: %s of term %d, index %d, %d entries", m.GetFrom(), m.GetTo(), m.GetType(), m.GetTerm(), m.GetIndex(), len(m.GetEntries()))
	to := b.member(m.GetTo())
	require.NoError(b.t, to.stepper.step(m, b.now))
	b.collect(to)
}

// append writes once what waits for a member's log.
func (b *box) append(m *boxed) {
	messages := m.toLog
	m.toLog = nil
	next, rest := m.writer.next(messages)
	m.toLog = rest
	b.write(m, next)
	b.collect(m)
}

func (b *box) write(m *boxed, write logWrite) {
	if write.hardState != nil {
		b.say("%d writes %d entries, %v", m.id, len(write.entries), write.hardState)
		require.NoError(b.t, m.storage.Append(write.entries))
		require.NoError(b.t, m.storage.SetHardState(write.hardState))
	}
	m.writer.wrote(write)
	m.done.appended += write.appends
	if write.passOn != nil {
		m.done.passedOn++
		m.toApply = append(m.toApply, write.passOn)
	}
	b.answer(m, write.answers)
}

func (b *box) answer(m *boxed, responses []*raftpb.Message) {
	for _, response := range responses {
		if response.GetTo() == m.id {
			require.NoError(b.t, m.stepper.step(response, b.now))
		} else {
			b.wire = append(b.wire, response)
		}
	}
}

func (b *box) apply(m *boxed) {
	m.applier.put(m.toApply)
	m.toApply = nil
	for {
		r, err := m.applier.next(b.t.Context())
		require.NoError(b.t, err)
		if r == nil {
			break
		}
		if r.last != nil {
			b.say("%d has applied %d", m.id, r.last.GetIndex())
		}
		m.done.applied = m.applier.applied
		for _, group := range m.reads.advance(m.applier.applied) {
			m.released[group] = true
		}
		for _, answer := range r.answers {
			m.answered[answer.to] = answer.err
		}
		for _, p := range r.lost {
			m.answered[p] = raft.ErrProposalDropped
		}
		b.answer(m, r.responses)
	}
	b.collect(m)
}

// until lets events and time go on until something is so, and returns how many ticks that took.
func (b *box) until(what string, so func() bool) int {
	began := b.ticks
	for b.ticks < began+100*boxElectionTicks {
		for range 40 {
			if so() {
				return b.ticks - began
			}
			if !b.event() {
				break
			}
		}
		b.tick()
	}
	require.Fail(b.t, "it does not come to "+what, b.trace.String())
	return 0
}

// leader waits until all that can be reached follow one of them, other than a member, and returns it.
func (b *box) leader(other *boxed) (leader *boxed, ticks int) {
	ticks = b.until("a leader", func() bool {
		leader = nil
		for _, m := range b.members {
			if !m.up || m.cut {
				continue
			}
			id := m.stepper.position.leader
			if id == raft.None || other != nil && id == other.id || leader != nil && id != leader.id {
				return false
			}
			leader = b.member(id)
		}
		return leader.up && !leader.cut
	})
	b.say("%d leads in term %d", leader.id, leader.stepper.position.term)
	return leader, ticks
}

// put has a value put by way of a member, which tries again while leadership moves.
func (b *box) put(m *boxed, key, value string) {
	for {
		p, err := newProposal(&consensusv1.Command{Command: &consensusv1.Command_Put{Put: &consensusv1.PutOp{Key: []byte(key), Value: []byte(value)}}})
		require.NoError(b.t, err)
		require.NoError(b.t, m.commands.add(p))
		gaveUp := b.ticks + 2*boxElectionTicks
		b.until("an answer", func() bool { _, answered := m.answered[p]; return answered || b.ticks > gaveUp })
		err, answered := m.answered[p]
		if answered && err == nil {
			return
		}
		m.commands.forget(p)
	}
}

// get is a linearizable read at a member.
func (b *box) get(m *boxed, key string) string {
	group, _ := m.reads.join()
	b.until("a read", func() bool { return m.released[group] })
	return m.state.values[key]
}

// boxState is a state of keys and values.
type boxState struct {
	index, term uint64
	revision    int64
	values      map[string]string
}

func (s *boxState) Begin() Batch                              { return &boxBatch{state: s} }
func (s *boxState) Applied() (uint64, uint64)                 { return s.index, s.term }
func (s *boxState) Revision() int64                           { return s.revision }
func (s *boxState) Refuses(err error) bool                    { return false }
func (noMembers) Count() int                                  { return 3 }
func (noMembers) Find(uint64) *consensusv1.Member             { return nil }
func (noMembers) Change(*raftpb.ConfChange) error             { return errNoChanges }
func (noMembers) Store(Batch, *raftpb.ConfState) error        { return errNoChanges }
func (noMembers) Publish(Batch, *consensusv1.PublishOp) error { return errNoChanges }

// noMembers never change.
type noMembers struct{}

var errNoChanges = errors.New("members do not change here")

type boxBatch struct {
	state       *boxState
	index, term uint64
	puts        []*consensusv1.PutOp
}

func (b *boxBatch) Apply(command *consensusv1.Command) (*consensusv1.Result, *consensusv1.Commit, error) {
	b.puts = append(b.puts, command.GetPut())
	return &consensusv1.Result{Revision: b.state.revision + int64(len(b.puts))}, nil, nil
}

func (b *boxBatch) Commit() error {
	for _, put := range b.puts {
		b.state.values[string(put.GetKey())] = string(put.GetValue())
	}
	b.state.revision += int64(len(b.puts))
	b.state.index, b.state.term = b.index, b.term
	return nil
}

func (b *boxBatch) SetApplied(index, term uint64) { b.index, b.term = index, term }
func (b *boxBatch) Full() bool                    { return len(b.puts) >= 3 }
func (b *boxBatch) Answers(bool)                  {}
func (b *boxBatch) SetTime(int64)                 {}
func (b *boxBatch) SetMeta(string, []byte)        {}
func (b *boxBatch) Note(...uint64)                {}
func (b *boxBatch) Close() error                  { return nil }

// life is what a cluster goes through: it elects, and commits by way of each member; its leader's process ends, and another
// one is elected and commits; the one that was away comes back; the leader falls silent, is replaced, and comes back.
func life(t *testing.T, seed uint64) string {
	b := newBox(t, seed)
	first, _ := b.leader(nil)
	for _, m := range b.members {
		b.put(m, fmt.Sprint("key", m.id), "before")
	}

	first.up = false
	for _, m := range b.members {
		if m != first {
			m.stepper.leaderEnded(first.id)
			b.collect(m)
		}
	}
	second, ticks := b.leader(first)
	require.Less(t, ticks, boxElectionTicks, "nobody waits for an election timeout")
	b.put(second, "key", "without the first")
	require.Equal(t, "before", b.get(second, fmt.Sprint("key", first.id)))

	b.start(first)
	require.Equal(t, "without the first", b.get(first, "key"))

	second.cut = true
	third, ticks := b.leader(second)
	require.Less(t, ticks, 3*boxElectionTicks)
	b.put(third, "key", "without the second")
	second.cut = false
	b.put(second, "last", "through the second")
	for _, m := range b.members {
		require.Equal(t, "without the second", b.get(m, "key"))
		require.Equal(t, "through the second", b.get(m, "last"))
	}
	b.until("the same everywhere", func() bool {
		return b.members[0].state.index == b.members[1].state.index && b.members[1].state.index == b.members[2].state.index
	})
	for _, m := range b.members[1:] {
		require.Equal(t, b.members[0].state, m.state)
	}
	return b.trace.String()
}

// Nothing but its inputs decides what a member does: three of them, in one goroutine and with events in an order that a seed
// gives, lose a leader that ended and one that is silent, lose nothing that was acknowledged, and leave the same trace a second time.
func TestClusterInOneGoroutine(t *testing.T) {
	var traces []string
	for seed := range uint64(20) {
		for range 2 {
			t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) { traces = append(traces, life(t, seed)) })
		}
		if t.Failed() {
			return
		}
		require.Equal(t, traces[2*seed], traces[2*seed+1], "seed %d", seed)
		if seed > 0 {
			require.NotEqual(t, traces[2*seed-1], traces[2*seed], "the seed decides")
		}
	}
}
