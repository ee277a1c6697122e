package consensus

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"

	"github.com/quoratedb/quorate/services/consensus/internal/logstore"
	"github.com/quoratedb/quorate/services/consensus/internal/mailbox"
)

// appender owns the log's appends. Everything that queued while the last append was synced goes into the next one.
type appender struct {
	log     *logstore.Store
	inbox   *mailbox.Mailbox[*raftpb.Message]
	deliver func([]*raftpb.Message)
	// apply hands the applier a message that was held back, of which held counts those that still are.
	apply func(*raftpb.Message)
	held  atomic.Int64
	// incomingDir names the directory of the state at an index that was received, and install has the applier go on from it.
	incomingDir func(index uint64) (string, error)
	install     func(ctx context.Context, index uint64) error
	// truncate takes indexes up to which the log may be dropped; only the newest counts.
	truncate chan uint64
	// appended counts the finished appends that had entries. The replica compares it with those it has sent.
	appended atomic.Uint64

	// hardState is raft's newest, written the one that the log has: they may differ in the commit index.
	hardState, written *raftpb.HardState
	// keptLong runs while the log is without the newest commit index, as keeping says. It is not set anew for each append,
	// which would cost more than all else that is done here; busy says that entries came since it was.
	keptLong      *time.Timer
	keeping, busy bool
}

func newAppender(log *logstore.Store, written *raftpb.HardState) *appender {
	return &appender{
		log: log, inbox: mailbox.New[*raftpb.Message](), truncate: make(chan uint64, 1),
		hardState: written, written: written, keptLong: stoppedTimer(),
	}
}

// run ends when ctx does, or with an error when the log cannot be written: the member must then stop, because raft
// may never be told that an entry is stable when it is not.
func (a *appender) run(ctx context.Context) error {
	var messages []*raftpb.Message
	for {
		select {
		case <-ctx.Done():
			return a.writeCommit()
		case <-a.keptLong.C:
			if a.busy {
				a.keep()
			} else if err := a.writeCommit(); err != nil {
				return err
			}
		case index := <-a.truncate:
			if err := a.log.Truncate(index); err != nil {
				return fmt.Errorf("truncate the log up to %d: %w", index, err)
			}
		case <-a.inbox.Ready():
			messages = a.inbox.Take(messages)
			if err := a.append(ctx, messages); errors.Is(err, errNotTaken) {
				return nil // a clean stop: the next start goes on from the state that the log names
			} else if err != nil {
				return fmt.Errorf("append to the log: %w", err)
			}
		}
	}
}

// append writes messages with as few syncs as they allow: one for each appendBytesMax, unless a later message overwrites
// entries of an earlier one.
func (a *appender) append(ctx context.Context, messages []*raftpb.Message) error {
	for len(messages) > 0 {
		n := mergeable(messages)
		if err := a.appendMerged(ctx, messages[:n]); err != nil {
			return err
		}
		messages = messages[n:]
	}
	return nil
}

// mergeable returns how many of the messages have entries that follow each other and fit into one append. A snapshot goes
// alone, as does what was held back for the applier.
func mergeable(messages []*raftpb.Message) int {
	var last uint64
	var bytes int
	for i, m := range messages {
		if m.GetSnapshot() != nil || m.GetType() == raftpb.MsgStorageApply {
			return max(i, 1)
		}
		entries := m.GetEntries()
		if len(entries) == 0 {
			continue
		}
		if last != 0 && (entries[0].GetIndex() != last+1 || bytes >= appendBytesMax) {
			return i
		}
		last = entries[len(entries)-1].GetIndex()
		for _, entry := range entries {
			bytes += len(entry.GetData())
		}
	}
	return len(messages)
}

func (a *appender) appendMerged(ctx context.Context, messages []*raftpb.Message) error {
	if messages[0].GetType() == raftpb.MsgStorageApply {
		return a.passOn(messages[0])
	}
	var (
		entries   []*raftpb.Entry
		hardState *raftpb.HardState
		responses []*raftpb.Message
		appends   uint64
	)
	for _, m := range messages {
		if len(m.GetEntries()) > 0 {
			entries = append(entries, m.GetEntries()...)
			appends++
		}
		if m.Term != nil || m.Vote != nil || m.Commit != nil {
			hardState = &raftpb.HardState{Term: m.Term, Vote: m.Vote, Commit: m.Commit}
		}
		responses = append(responses, m.GetResponses()...)
	}
	if snapshot := messages[0].GetSnapshot(); snapshot != nil {
		if err := a.installSnapshot(ctx, snapshot.GetMetadata()); err != nil {
			return fmt.Errorf("install a snapshot: %w", err)
		}
	}
	if hardState != nil {
		a.hardState = hardState
	}
	if err := a.write(entries); err != nil {
		return err
	}
	a.appended.Add(appends)
	a.deliver(responses)
	return nil
}

// holdBack says whether the applier must get a message by way of the appender: it changes the members, or is behind one that
// does. Other commit indexes can be found again by a quorum of the members, but not the one that changes what a quorum is: a
// member that applied its shrinking cluster's last removal, and then forgot it in a crash, would wait for members that are gone.
func (a *appender) holdBack(m *raftpb.Message) bool {
	if a.held.Load() == 0 && !slices.ContainsFunc(m.GetEntries(), func(e *raftpb.Entry) bool { return e.GetType() != raftpb.EntryNormal }) {
		return false
	}
	a.held.Add(1)
	a.inbox.Put(m)
	return true
}

// passOn makes the commit index durable, which came before the message and covers its entries, and hands the message on.
func (a *appender) passOn(m *raftpb.Message) error {
	if err := a.writeCommit(); err != nil {
		return err
	}
	a.apply(m)
	a.held.Add(-1) // after it, so that none overtakes it
	return nil
}

// write makes durable what the responses may promise: entries, a term, a vote. A commit index alone is no promise, though
// a follower answers it; with a write and a sync for each a follower would have two of both for every append. It waits for
// the next entries.
func (a *appender) write(entries []*raftpb.Entry) error {
	if raft.MustSync(a.hardState, a.written, len(entries)) {
		if err := a.log.Append(entries, a.hardState, true); err != nil {
			return err
		}
		a.written, a.busy = a.hardState, true
	}
	if a.hardState != a.written && !a.keeping {
		a.keep()
	}
	return nil
}

// keep has the commit index written in a while, if no entries come before.
func (a *appender) keep() {
	a.keeping, a.busy = true, false
	a.keptLong.Reset(commitKeptMax)
}

// writeCommit gives the log a commit index behind which no entries came. Unsynced it would stay in the process's memory, and
// end with it.
func (a *appender) writeCommit() error {
	a.keptLong.Stop()
	a.keeping = false
	if a.hardState == a.written {
		return nil
	}
	if err := a.log.Append(nil, a.hardState, true); err != nil {
		return fmt.Errorf("write the commit index: %w", err)
	}
	a.written = a.hardState
	return nil
}

// installSnapshot lets the log begin behind the snapshot, and the member go on from its state: at the next start by what
// the log says, and now. See install.go.
func (a *appender) installSnapshot(ctx context.Context, metadata *raftpb.SnapshotMetadata) error {
	dir, err := a.incomingDir(metadata.GetIndex())
	if err != nil {
		return err
	}
	if err := a.log.Reset(metadata.GetIndex(), metadata.GetTerm(), metadata.GetConfState(), noteState(dir)); err != nil {
		return err
	}
	return a.install(ctx, metadata.GetIndex())
}
