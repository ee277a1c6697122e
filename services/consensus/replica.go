package consensus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"

	"github.com/quoratedb/quorate/pkg/budget"
	"github.com/quoratedb/quorate/pkg/problem"
	"github.com/quoratedb/quorate/services/consensus/internal/mailbox"
)

// replica owns raft.RawNode. It turns proposals into log entries, routes raft's messages to the appender, the applier
// and the other members, and brings their answers back to raft.
type replica struct {
	node      *raft.RawNode
	id        uint64
	clock     Clock
	settings  raftSettings
	transport Transport
	log       *slog.Logger

	pending     *pending
	reads       *readIndexes
	readsDue    *time.Timer                       // fires when reads have waited for an answer to others for long enough
	inbox       *mailbox.Mailbox[*raftpb.Message] // from the appender, the applier and the other members
	received    []*raftpb.Message                 // what was taken from the inbox last, for its array
	confChanges chan confChange
	tasks       *mailbox.Mailbox[func(*raft.RawNode)]
	stopped     <-chan struct{} // see Member.stopped
	appender    *appender
	applier     *applier

	// appendsSent counts the appends with entries given to the appender; see appender.appended.
	appendsSent uint64
	// full says that raft refused a batch because the leader's log holds uncommittedBytesMax that are not applied. It
	// is tried again when something was.
	full bool
	// forwards are the batches on their way to the leader, as far as they count against forwardsInFlightMax.
	forwards []forward
	// snapshotAccepted is the newest snapshot that raft has decided to install.
	snapshotAccepted uint64
	ticks            int
	succession       succession
	stall            stall
	applierStall     applierStall

	position   raftPosition
	leadership *leadership
}

// raftPosition is what others may know of raft without asking its owner.
type raftPosition struct {
	term, leader, committed atomic.Uint64
	// opened is when the process began with raft, leaderSince when it last saw the leader change: nanoseconds since 1970.
	opened, leaderSince atomic.Int64
	// leaderElected is when it last saw a leader where there was none or another one.
	leaderElected atomic.Int64
}

// confChange asks the replica to apply a committed membership change; the applier waits for the answer.
type confChange struct {
	change raftpb.ConfChangeI
	reply  chan *raftpb.ConfState
}

func newReplica(node *raft.RawNode, cfg Config, log *slog.Logger) *replica {
	r := &replica{
		node:        node,
		id:          cfg.MemberID,
		clock:       cfg.Clock,
		settings:    cfg.raftSettings(),
		transport:   cfg.Transport,
		log:         log,
		pending:     newPending(budget.Limit()),
		readsDue:    stoppedTimer(),
		inbox:       mailbox.New[*raftpb.Message](),
		confChanges: make(chan confChange),
		tasks:       mailbox.New[func(*raft.RawNode)](),
		leadership:  newLeadership(),
	}
	r.position.opened.Store(time.Now().UnixNano())
	r.publish()
	return r
}

// run is the replica's loop. It returns nil when ctx ends and an error when raft cannot go on.
func (r *replica) run(ctx context.Context) error {
	ticker := r.clock.NewTicker(r.settings.tick)
	defer ticker.Stop()
	for {
		r.dispatch()
		var proposals <-chan struct{}
		if r.mayPropose() {
			proposals = r.pending.ready
		}
		select {
		case <-ctx.Done():
			return nil
		case <-proposals:
			r.proposeWaiting()
		case <-r.inbox.Ready():
			if err := r.receive(); err != nil {
				return err
			}
		case <-r.reads.wake:
			r.askReadIndex()
		case <-r.readsDue.C:
			r.askReadIndex()
		case <-r.tasks.Ready():
			// What a member sent before it was reported down must not bring it back.
			if err := r.receive(); err != nil {
				return err
			}
			r.dispatch()
			for _, task := range r.tasks.Take(nil) {
				task(r.node)
				r.dispatch() // a task sees what the one before it brought about
			}
		case cc := <-r.confChanges:
			cc.reply <- r.node.ApplyConfChange(cc.change)
		case <-ticker.C():
			r.tick()
		}
	}
}

// receive hands raft the messages that have come.
func (r *replica) receive() error {
	r.received = r.inbox.Take(r.received)
	for _, m := range r.received {
		if m.GetFrom() == r.position.leader.Load() {
			r.succession.heard = r.ticks
		}
		switch m.GetType() {
		case raftpb.MsgStorageApplyResp:
			r.full = false
		case raftpb.MsgProp:
			r.stamp(m)
		}
		if err := r.node.Step(m); err != nil && !droppable(err) {
			return fmt.Errorf("step %s: %w", m.GetType(), err)
		}
	}
	return nil
}

// stamp puts the leader's time into what another member has passed on. Whoever does not lead passes it on as it is.
func (r *replica) stamp(m *raftpb.Message) {
	if r.position.leader.Load() != r.id {
		return
	}
	now := time.Now().UnixNano()
	for _, entry := range m.GetEntries() {
		if entry.GetType() == raftpb.EntryNormal {
			stampLogEntry(entry.GetData(), now)
		}
	}
}

// call runs fn on the replica's goroutine and waits for it.
func (r *replica) call(ctx context.Context, fn func(*raft.RawNode)) error {
	done := make(chan struct{})
	r.tasks.Put(func(node *raft.RawNode) { fn(node); close(done) })
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("reach the replica: %w", context.Cause(ctx))
	case <-r.stopped:
		return fmt.Errorf("reach the replica: %w", problem.ErrStopped)
	}
}

// droppable tells the errors of messages that came too late to matter.
func droppable(err error) bool {
	return errors.Is(err, raft.ErrProposalDropped) || errors.Is(err, raft.ErrStepPeerNotFound) || errors.Is(err, raft.ErrStepLocalMsg)
}

func (r *replica) tick() {
	r.node.Tick()
	r.ticks++
	if r.ticks%readRetryTicks == 0 {
		for _, id := range r.reads.unanswered() {
			r.node.ReadIndex(id)
		}
	}
	r.stand()
	r.watchLog()
	r.watchApplier()
}

// askReadIndex asks raft for the reads that wait, if it is time.
func (r *replica) askReadIndex() {
	id, early := r.reads.start(time.Now())
	if early > 0 {
		r.readsDue.Reset(early)
	}
	if id != nil {
		r.node.ReadIndex(id)
	}
}

// dispatch hands out everything that raft has ready.
func (r *replica) dispatch() {
	for r.node.HasReady() {
		ready := r.node.Ready()
		if ready.SoftState != nil || ready.HardState != nil {
			r.publish()
		}
		for _, state := range ready.ReadStates {
			r.reads.answer(state.RequestCtx, state.Index)
		}
		var peers []*raftpb.Message
		for _, m := range ready.Messages {
			switch m.GetTo() {
			case raft.LocalAppendThread:
				if len(m.GetEntries()) > 0 {
					r.appendsSent++
				}
				if m.GetSnapshot() != nil {
					r.snapshotAccepted = m.GetSnapshot().GetMetadata().GetIndex()
				}
				r.appender.inbox.Put(m)
			case raft.LocalApplyThread:
				if !r.appender.holdBack(m) {
					r.applier.inbox.Put(m)
				}
			default:
				peers = append(peers, m)
			}
		}
		if len(peers) > 0 {
			r.transport.Send(peers)
		}
		if len(ready.ReadStates) > 0 {
			nudge(r.reads.wake) // for those that gathered meanwhile
		}
	}
}

// deliver routes the responses that raft attached to a finished append or apply.
func (r *replica) deliver(responses []*raftpb.Message) {
	var own, peers []*raftpb.Message
	for _, m := range responses {
		if m.GetTo() == r.id {
			own = append(own, m)
		} else {
			peers = append(peers, m)
		}
	}
	r.inbox.Put(own...)
	if len(peers) > 0 {
		r.transport.Send(peers)
	}
}

// publish copies what others may read out of raft.
func (r *replica) publish() {
	status := r.node.BasicStatus()
	old := r.position.leader.Swap(status.Lead)
	r.position.term.Store(status.HardState.GetTerm())
	r.position.committed.Store(status.HardState.GetCommit())
	r.leadership.set(status.Lead, status.HardState.GetTerm())
	if old != status.Lead {
		r.full, r.forwards = false, nil
		if status.Lead != raft.None {
			r.succession.leaderHeard(r.ticks)
			r.position.leaderElected.Store(time.Now().UnixNano())
		}
		r.position.leaderSince.Store(time.Now().UnixNano())
		r.log.Info("raft leader changed", "from", memberID(old), "to", memberID(status.Lead), "term", status.HardState.GetTerm())
	}
}

// stop fails whoever still waits; run has ended and nothing will be proposed any more.
func (r *replica) stop() {
	r.reads.stop()
	answerAll(r.pending.stop(), fmt.Errorf("propose: %w", problem.ErrStopped))
}
