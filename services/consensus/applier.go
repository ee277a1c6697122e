package consensus

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/pkg/problem"
	"github.com/quoratedb/quorate/services/consensus/internal/feed"
	"github.com/quoratedb/quorate/services/consensus/internal/mailbox"
	"github.com/quoratedb/quorate/services/consensus/internal/mvcc"
)

// applier owns the write side of the state store: committed entries become one batch, and once that is visible the
// waiting callers are answered and the feed is told.
type applier struct {
	gate        *gate
	feed        *feed.Feed
	members     *membership
	pending     *pending
	reads       *readIndexes
	inbox       *mailbox.Mailbox[*raftpb.Message]
	deliver     func([]*raftpb.Message)
	confChanges chan<- confChange
	changes     *changeWaiters
	// finished and confState are what the batch that is being applied did to the membership.
	finished  []finishedChange
	confState *raftpb.ConfState
	// alarmed is set when the batch changes alarms, and audit is told of it.
	alarmed bool
	audit   *audit

	// installs takes requests to replace the state, replace does it.
	installs chan installRequest
	replace  func(index uint64) error
	point    *snapshotPoint

	// current is closed once an entry is applied whose term began after the member was opened (at termAtOpen): all
	// that was acknowledged before the restart is then in the state.
	current    chan struct{}
	termAtOpen uint64

	// applied is the newest index that is visible to readers, and term its term.
	applied, term atomic.Uint64
}

func (a *applier) store() *mvcc.Store { return a.gate.now.Load().store }

// answer is what a caller will be told once the batch that holds its command is visible.
type answer struct {
	to *proposal
	outcome
}

// run ends when ctx does, or with an error when the state can no longer be trusted to follow the log.
func (a *applier) run(ctx context.Context) error {
	var messages []*raftpb.Message
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-a.inbox.Ready():
			messages = a.inbox.Take(messages)
			if err := a.apply(ctx, messages); err != nil {
				return fmt.Errorf("apply: %w", err)
			}
		case request := <-a.installs:
			err := a.replaceState(request.index)
			request.reply <- err
			if err != nil {
				return fmt.Errorf("replace the state: %w", err)
			}
		}
	}
}

// installRequest asks the applier for another state, at the index.
type installRequest struct {
	index uint64
	reply chan<- error
}

// install is what the appender calls: it has the state replaced on the applier's goroutine by the one at the index.
func (a *applier) install(ctx context.Context, index uint64) error {
	reply := make(chan error, 1)
	select {
	case a.installs <- installRequest{index, reply}:
		return <-reply
	case <-ctx.Done():
		return errNotTaken
	}
}

// errNotTaken says that the member stops before it has another state, which its log may name already.
var errNotTaken = errors.New("the member stops before it goes on from another state")

// replaceState goes on from another member's state. Entries up to its index may still come; apply passes them over.
func (a *applier) replaceState(index uint64) error {
	if err := a.replace(index); err != nil {
		return err
	}
	index, term := a.store().Applied()
	a.applied.Store(index)
	a.reached(term)
	a.reads.advance(index)
	// The state may hold what was proposed before, and does not tell its outcome.
	answerAll(a.pending.dropAll(), fmt.Errorf("wait for a proposal: the state was replaced: %w", problem.ErrLeaderChanged))
	return nil
}

// reached notes the term of what is applied.
func (a *applier) reached(term uint64) {
	if a.term.Swap(term) <= a.termAtOpen && term > a.termAtOpen {
		close(a.current)
	}
}

// round is what one batch of the state brings with it, for when it is visible.
type round struct {
	batch   *mvcc.Batch
	answers []answer
	commits []*consensusv1.Commit
	last    *raftpb.Entry
}

// apply brings the entries of all messages into the state. They share a batch as long as that does not get too large: what a
// member that restarts has to replay, or one that was slow to catch up with, comes all at once.
func (a *applier) apply(ctx context.Context, messages []*raftpb.Message) error {
	r := round{batch: a.store().Begin()}
	defer func() { _ = r.batch.Close() }()
	var responses []*raftpb.Message
	for _, m := range messages {
		for _, entry := range m.GetEntries() {
			if entry.GetIndex() <= a.applied.Load() {
				continue // a snapshot held it
			}
			if err := a.applyEntry(ctx, &r, entry); err != nil {
				return fmt.Errorf("entry %d: %w", entry.GetIndex(), err)
			}
			if !r.batch.Full() {
				continue
			}
			if err := a.finish(&r); err != nil {
				return err
			}
			r = round{batch: a.store().Begin()}
		}
		responses = append(responses, m.GetResponses()...)
	}
	if err := a.finish(&r); err != nil {
		return err
	}
	a.deliver(responses)
	return nil
}

func (a *applier) applyEntry(ctx context.Context, r *round, entry *raftpb.Entry) (err error) {
	switch entry.GetType() {
	case raftpb.EntryNormal:
		r.batch.SetTime(logEntryStamp(entry.GetData()))
		r.answers, r.commits, err = a.applyCommands(r.batch, entry, r.answers, r.commits)
	default:
		err = a.applyConfChange(ctx, r.batch, entry)
	}
	if err != nil {
		return err
	}
	r.batch.SetApplied(entry.GetIndex(), entry.GetTerm())
	r.last = entry
	return nil
}

// finish makes a round visible, and tells of it.
func (a *applier) finish(r *round) error {
	var lost []*proposal
	if last := r.last; last != nil {
		if last.GetTerm() > a.term.Load() {
			lost = a.pending.dropBefore(last.GetTerm())
		}
		if err := r.batch.Commit(); err != nil {
			return fmt.Errorf("write the state of entry %d: %w", last.GetIndex(), err)
		}
		a.applied.Store(last.GetIndex())
		a.reached(last.GetTerm())
		a.point.set(last.GetIndex(), last.GetTerm(), a.confState)
		a.confState = nil
		a.reads.advance(last.GetIndex())
	}
	if a.alarmed {
		a.alarmed = false
		nudge(a.audit.kick)
	}
	// Announce before answering: whoever has its answer finds its revision in the feed.
	a.feed.Announce(r.commits)
	for _, answer := range r.answers {
		answer.to.done <- answer.outcome
	}
	for _, change := range a.finished {
		a.changes.finish(change.id, change.err)
	}
	a.finished = a.finished[:0]
	// An entry of a newer term stands where theirs would: they are lost, unless a leader still finds them in its inbox.
	answerAll(lost, fmt.Errorf("wait for a proposal: %w", problem.ErrLeaderChanged))
	return nil
}

// applyCommands applies the commands of one entry and collects answers and commits.
func (a *applier) applyCommands(batch *mvcc.Batch, entry *raftpb.Entry, answers []answer, commits []*consensusv1.Commit) ([]answer, []*consensusv1.Commit, error) {
	if len(entry.GetData()) == 0 {
		return answers, commits, nil // a new leader's first entry
	}
	origin, sequence, ok := logEntryHeader(entry.GetData())
	if !ok {
		return nil, nil, fmt.Errorf("its payload is no log entry of this format: %x", entry.GetData()[:min(16, len(entry.GetData()))])
	}
	// The commands that this process proposed are still here in decoded form.
	waiting := a.pending.take(origin, sequence)
	var commands []*consensusv1.Command
	if waiting == nil {
		var decoded consensusv1.LogEntry
		if err := proto.Unmarshal(entry.GetData(), &decoded); err != nil {
			return nil, nil, fmt.Errorf("decode its payload: %w", err)
		}
		commands = decoded.GetCommands()
	}
	batch.Unanswered = waiting == nil
	for i := range max(len(waiting), len(commands)) {
		var command *consensusv1.Command
		if waiting != nil {
			command = waiting[i].command
		} else {
			command = commands[i]
		}
		result, commit, err := a.applyCommand(batch, command)
		if err != nil && !refusal(err) {
			return nil, nil, err
		}
		if commit != nil {
			commits = append(commits, commit)
		}
		if waiting == nil {
			continue
		}
		if result != nil {
			result.RaftTerm, result.RaftIndex = entry.GetTerm(), entry.GetIndex()
		}
		answers = append(answers, answer{waiting[i], outcome{result, err}})
	}
	return answers, commits, nil
}

// applyCommand applies one command: what concerns members here, all else in the store.
func (a *applier) applyCommand(batch *mvcc.Batch, command *consensusv1.Command) (*consensusv1.Result, *consensusv1.Commit, error) {
	if publish := command.GetPublish(); publish != nil {
		if err := a.members.publish(batch, publish); err != nil {
			return nil, nil, err
		}
		return &consensusv1.Result{
			Revision: a.store().Revision(),
			Result:   &consensusv1.Result_Publish{Publish: &consensusv1.PublishResult{}},
		}, nil, nil
	}
	a.alarmed = a.alarmed || command.GetAlarm() != nil
	return batch.Apply(command)
}

// applyConfChange lets raft and the membership follow a committed change. A refused one is an empty one to raft.
func (a *applier) applyConfChange(ctx context.Context, batch *mvcc.Batch, entry *raftpb.Entry) error {
	change, err := decodeConfChange(entry)
	if err != nil {
		return err
	}
	refused := a.members.change(change)
	if refused != nil && !refusal(refused) {
		return refused
	}
	request := confChange{change: change, reply: make(chan *raftpb.ConfState, 1)}
	if refused != nil {
		request.change = emptyChange()
	}
	select {
	case a.confChanges <- request:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	// The replica answers a request that it has taken before it can end.
	a.confState = <-request.reply
	if err := a.members.store(batch, a.confState); err != nil {
		return err
	}
	if refused == nil && change.GetType() == raftpb.ConfChangeRemoveNode {
		if err := lowerCorrupt(batch, change.GetNodeId()); err != nil {
			return err
		}
	}
	batch.Note(uint64(change.GetType()), change.GetNodeId(), uint64(len(a.members.list())))
	a.finished = append(a.finished, finishedChange{change.GetId(), refused})
	return nil
}

// lowerCorrupt takes back what is held against a member that is gone.
func lowerCorrupt(batch *mvcc.Batch, id uint64) error {
	_, _, err := batch.Apply(&consensusv1.Command{Command: &consensusv1.Command_Alarm{Alarm: &consensusv1.AlarmOp{
		Alarm: &consensusv1.Alarm{MemberId: id, Type: consensusv1.Alarm_TYPE_CORRUPT}, Disarm: true,
	}}})
	return err
}

// finishedChange is a membership change whose caller is told once the batch that holds it is visible.
type finishedChange struct {
	id  uint64
	err error
}
