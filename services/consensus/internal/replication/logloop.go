package replication

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/raft/v3/raftpb"
)

// Log is where entries are made durable. Whatever fails ends the member: raft may never be told that an entry is stable when
// it is not.
type Log interface {
	// Append writes entries and the hard state, and returns once they are durable if sync says so.
	Append(entries []*raftpb.Entry, hardState *raftpb.HardState, sync bool) error
	// Truncate forgets the entries up to an index.
	Truncate(index uint64) error
}

// Snapshots puts another member's state in the place of this one's, in two steps.
type Snapshots interface {
	// Accept lets the log begin behind a snapshot that raft has accepted. It may return ErrNotTaken.
	Accept(ctx context.Context, metadata *raftpb.SnapshotMetadata) error
	// Replace makes what was accepted the state, on the applier's goroutine, and returns raft's configuration there.
	Replace(index uint64) (*raftpb.ConfState, error)
}

// logLoop owns the log's appends. It carries out what its logWriter decides.
type logLoop struct {
	writer  logWriter
	log     Log
	inbox   inbox
	deliver func([]*raftpb.Message)
	// apply hands the applier a message that was held back.
	apply func(*raftpb.Message)
	// accept lets the log begin behind a snapshot, and install has the applier go on from it.
	accept  func(context.Context, *raftpb.SnapshotMetadata) error
	install func(ctx context.Context, index uint64) error
	// truncate takes indexes up to which the log may be dropped; only the newest counts.
	truncate chan uint64
	// reached counts the finished appends that had entries, and the messages that were passed on to the applier.
	reached *reached
	// keptLong fires when the log has been without the newest commit index for long enough.
	keptLong *time.Timer
	metrics  *Metrics
	// synced is told of entries that were synced, and when.
	synced func(entries []*raftpb.Entry, begun, ended time.Time)
}

// stoppedTimer returns a timer that fires only after it was reset.
func stoppedTimer() *time.Timer {
	timer := time.NewTimer(time.Hour)
	timer.Stop()
	return timer
}

// run ends when ctx does, or with an error when the log cannot be written.
func (l *logLoop) run(ctx context.Context) error {
	var messages []*raftpb.Message
	for {
		select {
		case <-ctx.Done():
			return l.writeCommit(logWrite{hardState: l.writer.unwritten()})
		case <-l.keptLong.C:
			if err := l.lull(); err != nil {
				return err
			}
		case index := <-l.truncate:
			if err := l.log.Truncate(index); err != nil {
				return fmt.Errorf("truncate the log up to %d: %w", index, err)
			}
		case <-l.inbox.Ready():
			messages = l.inbox.Take(messages)
			if err := l.append(ctx, messages); errors.Is(err, ErrNotTaken) {
				return nil // a clean stop: the next start goes on from the state that the log names
			} else if err != nil {
				return fmt.Errorf("append to the log: %w", err)
			}
		}
	}
}

func (l *logLoop) lull() error {
	write, again := l.writer.lull()
	if again {
		l.keptLong.Reset(commitKeptMax)
	}
	return l.writeCommit(write)
}

func (l *logLoop) writeCommit(write logWrite) error {
	if err := l.write(write); err != nil {
		return fmt.Errorf("write the commit index: %w", err)
	}
	return nil
}

// append does what messages ask for.
func (l *logLoop) append(ctx context.Context, messages []*raftpb.Message) error {
	for len(messages) > 0 {
		var next logWrite
		next, messages = l.writer.next(messages)
		if next.snapshot != nil {
			if err := l.installSnapshot(ctx, next.snapshot); err != nil {
				return fmt.Errorf("install a snapshot: %w", err)
			}
		}
		if err := l.write(next); err != nil {
			return err
		}
	}
	return nil
}

// write carries out a write, and tells of it.
func (l *logLoop) write(write logWrite) error {
	if write.hardState != nil {
		begun := time.Now()
		if err := l.log.Append(write.entries, write.hardState, true); err != nil {
			return err
		}
		if len(write.entries) > 0 {
			ended := time.Now()
			l.metrics.sync.Observe(ended.Sub(begun).Seconds())
			l.synced(write.entries, begun, ended)
		}
	}
	if l.writer.wrote(write) {
		l.keptLong.Reset(commitKeptMax)
	}
	if write.passOn != nil {
		l.apply(write.passOn)
		l.reached.passedOn.Add(1) // after it, so that none overtakes it
		return nil
	}
	l.reached.appended.Add(write.appends)
	if len(write.answers) > 0 {
		l.deliver(write.answers)
	}
	return nil
}

// installSnapshot lets the log begin behind the snapshot, and the member go on from its state: at the next start by what
// the log says, and now.
func (l *logLoop) installSnapshot(ctx context.Context, metadata *raftpb.SnapshotMetadata) error {
	if err := l.accept(ctx, metadata); err != nil {
		return err
	}
	return l.install(ctx, metadata.GetIndex())
}
