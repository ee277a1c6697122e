package replication

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"

	"github.com/quoratedb/quorate/pkg/identity"
)

// stepper is what one member's Raft decides, and what is ours around it: when commands are proposed, who stands for election,
// when leadership is given away. It is told what happens, a call for each, and has done what follows once ready is called:
// what that returns is for others to carry out. It has no goroutine, clock, lock or disk, but for raft's reading of the log.
type stepper struct {
	node     *raft.RawNode
	id       uint64
	settings settings
	commands commands
	// connected tells which other members can be reached now.
	connected func(id uint64) bool

	ticks    int
	position position
	done     progress

	// appendsSent counts the appends with entries that the log's writer was given, heldBack what reaches the applier by way
	// of it: progress has what was done of them.
	appendsSent, heldBack uint64
	// full says that raft refused a batch because the leader's log holds uncommittedBytesMax that are not applied. It
	// is tried again when something was.
	full bool
	// moving says that raft refused a batch because this member is handing leadership over. It is tried again once somebody else
	// leads, or at the next tick, since nobody says when that has failed.
	moving bool
	// forwards are the batches on their way to the leader, as far as they count against forwardsInFlightMax.
	forwards []forward
	// begun is the first entry of the newest term that was given to the log's writer: a leader's own, where this member leads.
	begun struct{ term, index uint64 }
	// snapshotAccepted is the newest snapshot that raft has decided to install.
	snapshotAccepted uint64
	election         election
	logStall         logStall
	applierStall     applierStall

	out, last output
}

// settings are what an operator says about time: how long a tick is, and how many of them a follower waits for its leader.
type settings struct {
	tick          time.Duration
	electionTicks int
}

// commands are what waits to be proposed, in the order in which it is.
type commands interface {
	// next makes a batch of what stands first in line, nil if nothing does, and putBack lets one stand there again.
	next(term uint64, now time.Time) *batch
	putBack(*batch)
	// take gives a batch out of which nothing will become, or has.
	take(origin, sequence uint64) []*Proposal
	// waitsFor tells whether anybody waits for a batch.
	waitsFor(sequence uint64) bool
	// from tells the batches of this run of the process from those of others.
	from() uint64
}

// position is where raft is.
type position struct{ term, leader, committed uint64 }

// progress is how far the log's writer and the applier are: how many appends with entries have ended and how many messages
// were passed on to the applier, and what is applied.
type progress struct{ appended, passedOn, applied uint64 }

// output is what a stepper asks others to do. Each stream is in order; between them there is none.
type output struct {
	// toLog is for the log's writer, and what the applier gets by way of it. toApplier is for the applier.
	toLog, toApplier, toPeers []*raftpb.Message
	// reads are answers to questions for a read index.
	reads []raft.ReadState
	// refused are commands that raft did not take: nothing was proposed.
	refused []*Proposal
	// proposed are batches that raft took.
	proposed []*batch
	notices  []notice
	// moved says that the position has changed, leaderChanged that another one leads, or nobody any more.
	moved, leaderChanged bool
}

func (o *output) reset() {
	for _, messages := range []*[]*raftpb.Message{&o.toLog, &o.toApplier, &o.toPeers} {
		clear(*messages)
		*messages = (*messages)[:0]
	}
	clear(o.reads)
	clear(o.refused)
	clear(o.notices)
	clear(o.proposed)
	o.reads, o.refused, o.notices, o.proposed = o.reads[:0], o.refused[:0], o.notices[:0], o.proposed[:0]
	o.moved, o.leaderChanged = false, false
}

// notice is a line for operators.
type notice struct {
	level slog.Level
	text  string
	args  []any
}

func newStepper(node *raft.RawNode, id uint64, s settings, c commands, connected func(uint64) bool) *stepper {
	r := &stepper{node: node, id: id, settings: s, commands: c, connected: connected}
	r.look()
	return r
}

// step hands raft a message of the log's writer, the applier or another member.
func (r *stepper) step(m *raftpb.Message, now time.Time) error {
	if m.GetFrom() == r.position.leader {
		r.election.heard = r.ticks
	}
	switch m.GetType() {
	case raftpb.MsgStorageApplyResp:
		r.full = false
	case raftpb.MsgProp:
		r.stamp(m, now)
	}
	if err := r.node.Step(m); err != nil && !droppable(err) {
		return fmt.Errorf("step %s: %w", m.GetType(), err)
	}
	return nil
}

// stamp puts the leader's time into what another member has passed on. Whoever does not lead passes it on as it is.
func (r *stepper) stamp(m *raftpb.Message, now time.Time) {
	if r.position.leader != r.id {
		return
	}
	for _, entry := range m.GetEntries() {
		if entry.GetType() == raftpb.EntryNormal {
			stampLogEntry(entry.GetData(), now.UnixNano())
		}
	}
}

// droppable tells the errors of messages that came too late to matter.
func droppable(err error) bool {
	return errors.Is(err, raft.ErrProposalDropped) || errors.Is(err, raft.ErrStepPeerNotFound) || errors.Is(err, raft.ErrStepLocalMsg)
}

// tick is the passing of time.
func (r *stepper) tick() {
	r.node.Tick()
	r.ticks++
	r.moving = false
	status := r.node.BasicStatus() // what raft knows by now, which position may not
	r.election.termSeen(r.ticks, status.HardState.GetTerm())
	if r.election.stands(r.ticks, r.settings.electionTicks, r.id, status.Lead, r.rank) && status.RaftState == raft.StateFollower {
		_ = r.node.Campaign() // refused where a change of members is not applied yet: raft's timer tries again
	}
	r.watchLog()
	r.watchApplier()
}

// ready returns what is to be done, which belongs to the stepper again from the next call on.
func (r *stepper) ready() *output {
	for r.node.HasReady() {
		ready := r.node.Ready()
		if ready.SoftState != nil || ready.HardState != nil {
			r.look()
		}
		for _, m := range ready.Messages {
			r.route(m)
		}
		for _, state := range ready.ReadStates {
			state.Index = r.readFrom(state.Index)
			r.out.reads = append(r.out.reads, state)
		}
	}
	r.out, r.last = r.last, r.out
	r.out.reset()
	return &r.last
}

// readFrom is the index that a read waits for, given the one that raft answers it with. A leader that is the only voter is told its
// commit index at once, also before it has committed anything in its term: after a restart that is as far as the log happened to
// note it, which may lie behind writes that were acknowledged. The first entry of its own term lies behind them all.
func (r *stepper) readFrom(index uint64) uint64 {
	if r.position.leader == r.id && r.begun.term == r.position.term {
		return max(index, r.begun.index)
	}
	return index
}

// noteTerm notes where the newest term begins.
func (r *stepper) noteTerm(entries []*raftpb.Entry) {
	newest := entries[len(entries)-1].GetTerm()
	if newest == r.begun.term {
		return
	}
	first := slices.IndexFunc(entries, func(e *raftpb.Entry) bool { return e.GetTerm() == newest })
	r.begun.term, r.begun.index = newest, entries[first].GetIndex()
}

func (r *stepper) route(m *raftpb.Message) {
	switch m.GetTo() {
	case raft.LocalAppendThread:
		if entries := m.GetEntries(); len(entries) > 0 {
			r.appendsSent++
			r.noteTerm(entries)
		}
		if m.GetSnapshot() != nil {
			r.snapshotAccepted = m.GetSnapshot().GetMetadata().GetIndex()
		}
		r.out.toLog = append(r.out.toLog, m)
	case raft.LocalApplyThread:
		if r.holdsBack(m) {
			r.heldBack++
			r.out.toLog = append(r.out.toLog, m)
			return
		}
		r.out.toApplier = append(r.out.toApplier, m)
	default:
		r.out.toPeers = append(r.out.toPeers, m)
	}
}

// holdsBack says whether the applier must get a message by way of the log's writer: it changes the members, or is behind one
// that does. Other commit indexes can be found again by a quorum of the members, but not the one that changes what a quorum is: a
// member that applied its shrinking cluster's last removal, and then forgot it in a crash, would wait for members that are gone.
func (r *stepper) holdsBack(m *raftpb.Message) bool {
	return r.heldBack != r.done.passedOn ||
		slices.ContainsFunc(m.GetEntries(), func(e *raftpb.Entry) bool { return e.GetType() != raftpb.EntryNormal })
}

// look takes over where raft is.
func (r *stepper) look() {
	status := r.node.BasicStatus()
	old := r.position.leader
	r.position = position{status.HardState.GetTerm(), status.Lead, status.HardState.GetCommit()}
	r.out.moved = true
	if old == status.Lead {
		return
	}
	r.out.leaderChanged = true
	r.full, r.moving, r.forwards = false, false, nil
	if status.Lead != raft.None {
		r.election.leaderHeard(r.ticks)
	}
	r.tell(slog.LevelInfo, "raft leader changed", "from", identity.Format(old), "to", identity.Format(status.Lead), "term", r.position.term)
}

func (r *stepper) tell(level slog.Level, text string, args ...any) {
	r.out.notices = append(r.out.notices, notice{level, text, args})
}
