package replication

import (
	"context"
	"fmt"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// State is what committed entries are brought into. Between two batches another one may take its place.
type State interface {
	Begin() Batch
	// Applied returns the newest entry that is in it.
	Applied() (index, term uint64)
	Revision() int64
	// Refuses tells the errors with which commands are declined, on every member alike and without effect. Any other one
	// means that this member's storage failed it.
	Refuses(err error) bool
}

// Batch is what becomes visible at once.
type Batch interface {
	// Answers says whether anybody waits for the results of the commands to come.
	Answers(waited bool)
	Apply(command *consensusv1.Command) (*consensusv1.Result, *consensusv1.Commit, error)
	// SetTime is the leader's time, in nanoseconds since 1970, of the entry whose commands come; 0 if it has none.
	SetTime(nanoseconds int64)
	SetApplied(index, term uint64)
	SetMeta(name string, value []byte)
	// Note makes values part of what members compare.
	Note(values ...uint64)
	// Full tells that it is time to commit.
	Full() bool
	Commit() error
	Close() error
}

// Members are who belongs to the cluster, as of the newest entry that was evaluated.
type Members interface {
	// Publish takes over what a member says of itself.
	Publish(batch Batch, op *consensusv1.PublishOp) error
	// Change makes a change, or declines it. Store, which follows, writes what came of it.
	Change(change *raftpb.ConfChange) error
	Store(batch Batch, configuration *raftpb.ConfState) error
	// Count is how many there are, and Find one of them, nil for who does not belong to them.
	Count() int
	Find(id uint64) *consensusv1.Member
}

// waiting are the commands of this process whose entries are to be applied.
type waiting interface {
	take(origin, sequence uint64) []*Proposal
	dropBefore(term uint64) []*Proposal
	// told says that all of them are answered.
	told()
}

// applier brings committed entries into the state, a batch at a time. They share a batch as long as that does not get too
// large: what a member that restarts has to replay, or one that was slow to catch up with, comes all at once.
type applier struct {
	state   State
	members Members
	waiting waiting
	// reconfigure has raft follow a change of members.
	reconfigure func(context.Context, raftpb.ConfChangeI) (*raftpb.ConfState, error)
	// meter times, nil for nobody.
	meter *meter

	// applied is the newest entry that is in the state, and term its term.
	applied, term uint64
	// queue are the entries that were handed over, of which done many are applied, and responses what is told once all are.
	queue     []*raftpb.Entry
	done      int
	responses []*raftpb.Message
}

// round is what one batch brings with it. By the time that anybody sees it, the batch is visible.
type round struct {
	// last is the newest entry, nil if there is none.
	last *raftpb.Entry
	// configuration is raft's after a change of members, nil if there was none.
	configuration *raftpb.ConfState
	commits       []*consensusv1.Commit
	answers       []answer
	changes       []Change
	// lost are commands that an entry of a newer term has taken the place of, unless a leader still finds them in its inbox.
	lost []*Proposal
	// alarms says that alarms may have changed.
	alarms bool
	// responses are raft's, once all that was handed over is applied.
	responses []*raftpb.Message
}

// answer is what a caller is told.
type answer struct {
	to *Proposal
	outcome
}

// Change is a change of members that was applied, or declined with an error.
type Change struct {
	ID  uint64
	Err error
}

// put takes over the entries of messages.
func (a *applier) put(messages []*raftpb.Message) {
	for _, m := range messages {
		a.queue = append(a.queue, m.GetEntries()...)
		a.responses = append(a.responses, m.GetResponses()...)
	}
}

// next brings as many entries into the state as a batch holds, and returns what came of it, nil once there is nothing to do.
func (a *applier) next(ctx context.Context) (*round, error) {
	for a.left() && a.queue[a.done].GetIndex() <= a.applied {
		a.done++ // a snapshot held it
	}
	if !a.left() && len(a.responses) == 0 {
		a.forgetQueue()
		return nil, nil
	}
	r := &round{}
	if a.left() {
		if err := a.applyBatch(ctx, r); err != nil {
			return nil, err
		}
	}
	if !a.left() {
		r.responses, a.responses = a.responses, nil
		a.forgetQueue()
	}
	return r, nil
}

func (a *applier) left() bool { return a.done < len(a.queue) }

func (a *applier) forgetQueue() {
	clear(a.queue)
	a.queue, a.done = a.queue[:0], 0
}

func (a *applier) applyBatch(ctx context.Context, r *round) error {
	a.meter.begin()
	batch := a.state.Begin()
	defer func() { _ = batch.Close() }()
	for a.left() && !batch.Full() {
		entry := a.queue[a.done]
		if err := a.applyEntry(ctx, batch, r, entry); err != nil {
			return fmt.Errorf("entry %d: %w", entry.GetIndex(), err)
		}
		batch.SetApplied(entry.GetIndex(), entry.GetTerm())
		r.last = entry
		a.done++
	}
	if r.last.GetTerm() > a.term {
		r.lost = a.waiting.dropBefore(r.last.GetTerm())
	}
	if err := a.meter.commit(batch); err != nil {
		return fmt.Errorf("write the state of entry %d: %w", r.last.GetIndex(), err)
	}
	a.applied, a.term = r.last.GetIndex(), r.last.GetTerm()
	return nil
}

// restart goes on from another state. Entries up to its index may still come; next passes them over.
func (a *applier) restart() { a.applied, a.term = a.state.Applied() }

func (a *applier) applyEntry(ctx context.Context, batch Batch, r *round, entry *raftpb.Entry) error {
	if entry.GetType() != raftpb.EntryNormal {
		return a.applyConfChange(ctx, batch, r, entry)
	}
	batch.SetTime(logEntryStamp(entry.GetData()))
	if len(entry.GetData()) == 0 {
		return nil // a new leader's first entry
	}
	return a.applyCommands(batch, r, entry)
}

// applyCommands applies the commands of one entry and collects answers and commits.
func (a *applier) applyCommands(batch Batch, r *round, entry *raftpb.Entry) error {
	origin, sequence, ok := logEntryHeader(entry.GetData())
	if !ok {
		return fmt.Errorf("its payload is no log entry of this format: %x", entry.GetData()[:min(16, len(entry.GetData()))])
	}
	// The commands that this process proposed are still here in decoded form.
	callers := a.waiting.take(origin, sequence)
	a.meter.take(callers)
	var commands []*consensusv1.Command
	if callers == nil {
		var decoded consensusv1.LogEntry
		if err := proto.Unmarshal(entry.GetData(), &decoded); err != nil {
			return fmt.Errorf("decode its payload: %w", err)
		}
		commands = decoded.GetCommands()
	}
	batch.Answers(callers != nil)
	for i := range max(len(callers), len(commands)) {
		var command *consensusv1.Command
		if callers != nil {
			command = callers[i].command
		} else {
			command = commands[i]
		}
		result, commit, err := a.applyCommand(batch, r, command)
		a.meter.command(command, err)
		if err != nil && !a.state.Refuses(err) {
			return err
		}
		if commit != nil {
			r.commits = append(r.commits, commit)
		}
		if callers == nil {
			continue
		}
		if result != nil {
			result.RaftTerm, result.RaftIndex = entry.GetTerm(), entry.GetIndex()
		}
		r.answers = append(r.answers, answer{callers[i], outcome{result: result, err: err}})
	}
	return nil
}

// applyCommand applies one command: what concerns members here, all else in the state.
func (a *applier) applyCommand(batch Batch, r *round, command *consensusv1.Command) (*consensusv1.Result, *consensusv1.Commit, error) {
	if publish := command.GetPublish(); publish != nil {
		if err := a.members.Publish(batch, publish); err != nil {
			return nil, nil, err
		}
		return &consensusv1.Result{
			Revision: a.state.Revision(),
			Result:   &consensusv1.Result_Publish{Publish: &consensusv1.PublishResult{}},
		}, nil, nil
	}
	if a.late(command) {
		return &consensusv1.Result{
			Revision: a.state.Revision(),
			Result:   &consensusv1.Result_Alarm{Alarm: &consensusv1.AlarmResult{}},
		}, nil, nil
	}
	r.alarms = r.alarms || command.GetAlarm() != nil
	return batch.Apply(command)
}

// late tells an alarm that a member raises for its damaged state, or for another's, and that the removal of who is named was
// faster than: nobody would lower it any more. One that a client raises is its own affair, as etcd's are.
func (a *applier) late(command *consensusv1.Command) bool {
	op := command.GetAlarm()
	return command.GetCaller().GetInternal() && !op.GetDisarm() && op.GetAlarm().GetType() == consensusv1.Alarm_TYPE_CORRUPT &&
		a.members.Find(op.GetAlarm().GetMemberId()) == nil
}

// applyConfChange lets raft and the members follow a committed change. A declined one is an empty one to raft.
func (a *applier) applyConfChange(ctx context.Context, batch Batch, r *round, entry *raftpb.Entry) error {
	change, err := DecodeConfChange(entry)
	if err != nil {
		return err
	}
	declined := a.members.Change(change)
	if declined != nil && !a.state.Refuses(declined) {
		return declined
	}
	toRaft := change
	if declined != nil {
		toRaft = emptyChange()
	}
	if r.configuration, err = a.reconfigure(ctx, toRaft); err != nil {
		return err
	}
	if err := a.members.Store(batch, r.configuration); err != nil {
		return err
	}
	if declined == nil && change.GetType() == raftpb.ConfChangeRemoveNode {
		if err := lowerCorrupt(batch, change.GetNodeId()); err != nil {
			return err
		}
	}
	batch.Note(uint64(change.GetType()), change.GetNodeId(), uint64(a.members.Count()))
	r.changes = append(r.changes, Change{change.GetId(), declined})
	return nil
}

// lowerCorrupt takes back what is held against a member that is gone.
func lowerCorrupt(batch Batch, id uint64) error {
	_, _, err := batch.Apply(&consensusv1.Command{
		Caller: &consensusv1.Caller{Internal: true},
		Command: &consensusv1.Command_Alarm{Alarm: &consensusv1.AlarmOp{
			Alarm: &consensusv1.Alarm{MemberId: id, Type: consensusv1.Alarm_TYPE_CORRUPT}, Disarm: true,
		}},
	})
	return err
}

// DecodeConfChange reads an entry that changes the members.
func DecodeConfChange(entry *raftpb.Entry) (*raftpb.ConfChange, error) {
	if entry.GetType() != raftpb.EntryConfChange {
		return nil, fmt.Errorf("entries of type %s are not part of this log's format", entry.GetType())
	}
	change := &raftpb.ConfChange{}
	if err := proto.Unmarshal(entry.GetData(), change); err != nil {
		return nil, fmt.Errorf("decode a membership change: %w", err)
	}
	return change, nil
}

// emptyChange leaves raft's configuration as it is.
func emptyChange() *raftpb.ConfChange {
	return &raftpb.ConfChange{Type: raftpb.ConfChangeAddNode.Enum(), NodeId: new(raft.None)}
}
