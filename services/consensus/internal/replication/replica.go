package replication

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
	"golang.org/x/sync/errgroup"

	"github.com/quoratedb/quorate/pkg/deadline"
	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/pkg/identity"
	"github.com/quoratedb/quorate/services/consensus/internal/mailbox"
)

// Config is what a Replica is made of. All of it is needed.
type Config struct {
	ID uint64
	// HeartbeatInterval is how long a tick is, ElectionTicks how many of them a follower waits for its leader.
	HeartbeatInterval time.Duration
	ElectionTicks     int

	// MemoryBytes is how much the process may take.
	MemoryBytes int64

	// Storage is what raft reads of Log.
	Storage   raft.Storage
	Log       Log
	State     State
	Members   Members
	Snapshots Snapshots
	Transport Transport
	// Announce is told, on the applier's goroutine, what has become visible.
	Announce func(Visible)

	Ticks  Ticks
	Logger *slog.Logger
	// Metrics is what is measured.
	Metrics *Metrics
	// SlowApply is how long a batch may take to be applied until that is logged, and a command until it is counted as slow; 0 for any time.
	SlowApply time.Duration
	// Stopped is closed when whoever runs the Replica stops.
	Stopped <-chan struct{}
}

// Replica is one member's part in the replication of a log, and of the state that the log makes. New starts nothing; Go
// does. Its methods may be called concurrently from New on.
type Replica struct {
	raft    *raftLoop
	log     *logLoop
	applier *applyLoop
	ticks   Ticks
	metrics *Metrics
	// refuses tells the errors with which the state declines a command.
	refuses func(error) bool
	// electionTimeout is how long a follower waits for its leader.
	electionTimeout time.Duration
}

// New makes a Replica that goes on from what the storage and the state hold.
func New(o Config) (*Replica, error) {
	hardState, configuration, err := o.Storage.InitialState()
	if err != nil {
		return nil, fmt.Errorf("read raft's state: %w", err)
	}
	applied, term := o.State.Applied()
	node, err := raft.NewRawNode(raftConfig(o, applied))
	if err != nil {
		return nil, fmt.Errorf("start raft: %w", err)
	}
	waiting := newPending(newProposals(rand.Uint64(), o.MemoryBytes))
	readers := newReaders(newReadIndexes(applied, rand.Uint64()))
	connected := func(id uint64) bool {
		_, ok := o.Transport.ActiveSince(id)
		return ok
	}
	toRaft, toLog, toApplier := newInbox(), newInbox(), newInbox()
	reached := &reached{}
	reached.applied.Store(applied)
	confChanges := make(chan confChange)
	answers := &answerer{self: o.ID, toRaft: toRaft, transport: o.Transport}

	raftLoop := &raftLoop{
		stepper:   newStepper(node, o.ID, settings{o.HeartbeatInterval, o.ElectionTicks}, waiting, connected),
		ticks:     o.Ticks,
		transport: o.Transport,
		logger:    o.Logger,

		pending:     waiting,
		readers:     readers,
		readsDue:    stoppedTimer(),
		inbox:       toRaft,
		confChanges: confChanges,
		tasks:       mailbox.New[func(*stepper)](),
		stopped:     o.Stopped,
		toLog:       toLog,
		toApplier:   toApplier,
		reached:     reached,
		published:   newPublished(),
		metrics:     o.Metrics,
	}
	raftLoop.published.set(raftLoop.stepper.position, false)
	applyLoop := &applyLoop{
		applier: &applier{
			state: o.State, members: o.Members, waiting: waiting, reconfigure: reconfigure(confChanges),
			meter:   &meter{metrics: o.Metrics, slow: o.SlowApply},
			applied: applied, term: term,
		},
		inbox:      toApplier,
		deliver:    answers.deliver,
		readers:    readers,
		announce:   o.Announce,
		installs:   make(chan installRequest),
		replace:    o.Snapshots.Replace,
		current:    make(chan struct{}),
		termAtOpen: hardState.GetTerm(),
		reached:    reached,
		metrics:    o.Metrics,
		slow:       slow{o.SlowApply, o.Logger},
	}
	applyLoop.term.Store(term)
	applyLoop.point.set(applied, term, configuration)
	logLoop := &logLoop{
		writer:   logWriter{hardState: hardState, written: hardState},
		log:      o.Log,
		inbox:    toLog,
		deliver:  answers.deliver,
		apply:    func(m *raftpb.Message) { toApplier.Put(m) },
		accept:   o.Snapshots.Accept,
		install:  applyLoop.install,
		truncate: make(chan uint64, 1),
		reached:  reached,
		keptLong: stoppedTimer(),
		metrics:  o.Metrics, synced: waiting.sync,
	}
	return &Replica{
		raft: raftLoop, log: logLoop, applier: applyLoop, ticks: o.Ticks, metrics: o.Metrics, refuses: o.State.Refuses,
		electionTimeout: o.HeartbeatInterval * time.Duration(o.ElectionTicks),
	}, nil
}

func raftConfig(o Config, applied uint64) *raft.Config {
	return &raft.Config{
		ID:                        o.ID,
		ElectionTick:              o.ElectionTicks,
		HeartbeatTick:             1,
		Storage:                   o.Storage,
		Applied:                   applied,
		AsyncStorageWrites:        true,
		MaxSizePerMsg:             messageBytesMax,
		MaxCommittedSizePerReady:  applyingBytesMax,
		MaxUncommittedEntriesSize: uncommittedBytesMax,
		MaxInflightMsgs:           inflightMessagesMax,
		MaxInflightBytes:          inflightBytesMax,
		CheckQuorum:               true,
		PreVote:                   true,
		Logger:                    raftLogger{o.Logger.With("raft", identity.Format(o.ID))},
	}
}

// Go starts the owners of raft, of the log's appends and of the state's write side in a group. Each ends when ctx does, or
// with the reason why the member cannot go on.
func (r *Replica) Go(ctx context.Context, group *errgroup.Group) {
	group.Go(func() error { return r.raft.run(ctx) })
	group.Go(func() error { return r.log.run(ctx) })
	group.Go(func() error { return r.applier.run(ctx) })
}

// Close fails whoever still waits. It is called once what Go has started has ended, or instead of Go.
func (r *Replica) Close() {
	r.raft.readers.stop()
	answerAll(r.raft.pending.stop(), fmt.Errorf("propose: %w", errdefs.ErrStopped))
}

// Submit puts a command in line to be proposed: errdefs.ErrTooManyRequests where too much waits already, and ErrStopped.
// The command must not be changed any more.
func (r *Replica) Submit(command *consensusv1.Command) (*Proposal, error) {
	p, err := newProposal(command)
	if err != nil {
		return nil, err
	}
	select {
	case <-r.raft.stopped:
		return nil, fmt.Errorf("propose: %w", errdefs.ErrStopped)
	default:
	}
	if err := r.raft.pending.add(p); err != nil {
		r.metrics.failed.Inc()
		return nil, err
	}
	return p, nil
}

// Wait returns the outcome of a proposal, or why the caller stopped waiting for it: it may then still take effect, unless it
// was never put into a log entry.
func (r *Replica) Wait(ctx context.Context, p *Proposal) (*consensusv1.Result, error) {
	result, err := r.wait(ctx, p)
	r.metrics.Requested(p.kind, p.submitted, err)
	if err != nil && !r.refuses(err) {
		r.metrics.failed.Inc()
	}
	return result, err
}

func (r *Replica) wait(ctx context.Context, p *Proposal) (*consensusv1.Result, error) {
	following := ctx
	if bounded, ok := ctx.(*deadline.Bounded); ok {
		following = bounded.Context
		p.bounded.Store(bounded)
	}
	select {
	case o := <-p.done:
		if o.late {
			return nil, r.leave(ctx, p)
		}
		p.answered = true
		return o.result, o.err
	case <-following.Done():
		return nil, r.leave(ctx, p)
	case <-r.raft.stopped:
		// The applier may have answered in the same instant.
		select {
		case o := <-p.done:
			if !o.late {
				p.answered = true
				return o.result, o.err
			}
		default:
		}
		return nil, fmt.Errorf("wait for a proposal: %w", errdefs.ErrStopped)
	}
}

// leave is for a caller whose context has ended.
func (r *Replica) leave(ctx context.Context, p *Proposal) error {
	<-ctx.Done()
	r.Forget(p)
	return fmt.Errorf("wait for a proposal: %w", context.Cause(ctx))
}

// Times are when what became of a proposal that Wait has returned of.
func (r *Replica) Times(p *Proposal) Times { return r.raft.pending.times(p) }

// Forget is for a caller that does not wait for its proposal any more.
func (r *Replica) Forget(p *Proposal) { r.raft.pending.forget(p) }

// Waiting is how many commands wait to be put into a log entry, and the bytes of all whose callers wait for an answer.
func (r *Replica) Waiting() (inLine int, bytes int64) { return r.raft.pending.held() }

// Pending is how many commands callers wait for.
func (r *Replica) Pending() int { return r.raft.pending.waiting() }

// WaitReadIndex waits until the state includes everything that was committed when it was called.
func (r *Replica) WaitReadIndex(ctx context.Context) error {
	err := r.raft.readers.wait(ctx)
	if err != nil {
		r.metrics.readsFailed.Inc()
	}
	return err
}

// WaitCurrent waits until the state includes everything that was acknowledged before this process began.
func (r *Replica) WaitCurrent(ctx context.Context) error {
	select {
	case <-r.applier.current:
		return nil
	case <-r.raft.stopped:
		return errdefs.ErrStopped
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// WaitApplied waits until the state includes everything up to an index.
func (r *Replica) WaitApplied(ctx context.Context, index uint64) error {
	reached, leave := r.raft.readers.reached(index)
	defer leave()
	select {
	case <-reached:
		if r.Applied() < index {
			return errdefs.ErrStopped // who waits is let go then
		}
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-r.raft.stopped:
		return errdefs.ErrStopped
	}
}

// Applied is the newest index that is visible to readers.
func (r *Replica) Applied() uint64 { return r.raft.reached.applied.Load() }

// ApplyTime is how long what was applied since the start has taken.
func (r *Replica) ApplyTime() time.Duration { return time.Duration(r.applier.spent.Load()) }

// Committed is the newest index that is known to be committed.
func (r *Replica) Committed() uint64 { return r.raft.published.committed.Load() }

// Term is raft's.
func (r *Replica) Term() uint64 { return r.raft.published.term.Load() }

// LeaderID is who leads, 0 for nobody.
func (r *Replica) LeaderID() uint64 { return r.raft.published.leader.Load() }

// Leads tells whether it is this member.
func (r *Replica) Leads() bool { return r.LeaderID() == r.raft.stepper.id }

// LeaderSince is when the leader was last seen to change, LeaderElected when there was one where there was none or another
// one before, or the beginning of 1970.
func (r *Replica) LeaderSince() time.Time { return time.Unix(0, r.raft.published.leaderSince.Load()) }

// LeaderElected is described at LeaderSince.
func (r *Replica) LeaderElected() time.Time {
	return time.Unix(0, r.raft.published.leaderElected.Load())
}

// Standing returns who leads, 0 for nobody, in which term, and a channel that is closed when that may have changed, or
// Announce is called.
func (r *Replica) Standing() (leader, term uint64, changed <-chan struct{}) {
	return r.raft.published.standing()
}

// Announce wakes those who wait for a change of Standing.
func (r *Replica) Announce() { r.raft.published.announce() }

// Step takes a message of another member. It does not wait for it to be handled.
func (r *Replica) Step(m *raftpb.Message) { r.raft.inbox.Put(m) }

// Campaign stands for election. It does not wait.
func (r *Replica) Campaign() { r.raft.tasks.Put(func(s *stepper) { _ = s.node.Campaign() }) }

// ReportUnreachable tells raft that messages to a member were lost. It does not wait.
func (r *Replica) ReportUnreachable(id uint64) {
	r.raft.tasks.Put(func(s *stepper) { s.node.ReportUnreachable(id) })
}

// ReportDown says that a member's process has ended: if it led, another one is elected. It does not wait.
func (r *Replica) ReportDown(id uint64) {
	r.raft.tasks.Put(func(s *stepper) { s.leaderEnded(id) })
}

// ReportSnapshot tells raft whether a member has taken the snapshot that it was told to take. It does not wait.
func (r *Replica) ReportSnapshot(id uint64, ok bool) {
	status := raft.SnapshotFailure
	if ok {
		status = raft.SnapshotFinish
	}
	r.raft.tasks.Put(func(s *stepper) { s.node.ReportSnapshot(id, status) })
}

// ProposeConfChange proposes a change of members. It does not wait, and raft drops it in silence while there is no leader or
// an earlier change is not applied yet.
func (r *Replica) ProposeConfChange(change *raftpb.ConfChange) {
	r.raft.tasks.Put(func(s *stepper) { _ = s.node.ProposeConfChange(change) })
}

// Status is raft's own.
func (r *Replica) Status(ctx context.Context) (raft.Status, error) {
	return call(ctx, r.raft, func(s *stepper) raft.Status { return s.node.Status() })
}

// TransferLeader asks a voter to lead.
func (r *Replica) TransferLeader(ctx context.Context, to uint64) error {
	_, err := call(ctx, r.raft, func(s *stepper) struct{} { s.node.TransferLeader(to); return struct{}{} })
	return err
}

// OfferSnapshot tells whether raft goes on from a snapshot. Once raft has the message there is no way back, so it ends
// before it knows only when ctx does, or the member.
func (r *Replica) OfferSnapshot(ctx context.Context, m *raftpb.Message) (accepted bool, err error) {
	stepped, err := call(ctx, r.raft, func(s *stepper) error {
		s.snapshotAccepted = 0
		return s.node.Step(m)
	})
	if err = errors.Join(err, stepped); err != nil {
		return false, err
	}
	index := m.GetSnapshot().GetMetadata().GetIndex()
	// By the time the replica answers again it has handed out what it made of the message.
	return call(ctx, r.raft, func(s *stepper) bool { return s.snapshotAccepted == index })
}

// Snapshot names the newest state for raft to send.
func (r *Replica) Snapshot() (*raftpb.Snapshot, error) { return r.applier.point.snapshot() }

// Install has the applier go on from the state that Snapshots replaces its own with: ErrNotTaken if ctx ends before.
func (r *Replica) Install(ctx context.Context, index uint64) error {
	return r.applier.install(ctx, index)
}

// Truncate asks for the log to be dropped up to an index, and tells whether that will be done: only one such wish waits.
func (r *Replica) Truncate(index uint64) bool {
	select {
	case r.log.truncate <- index:
		return true
	default:
		return false
	}
}
