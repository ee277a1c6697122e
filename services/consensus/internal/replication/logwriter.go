package replication

import (
	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
)

// logWriter decides what is written to the log, and when: everything that queued while the last append was synced goes into
// the next one. Whoever writes asks for the next write, does it, and says so.
type logWriter struct {
	// hardState is raft's newest, written the one that the log has: they may differ in the commit index.
	hardState, written *raftpb.HardState
	// keeping says that the log is without the newest commit index, and that a lull of commitKeptMax is waited for; busy that
	// entries came since that began. The wait is not begun anew for each append, which would cost more than all else here.
	keeping, busy bool
}

// logWrite is one thing to do at the log, in the order of its fields, and who is told then.
type logWrite struct {
	// snapshot is what the log begins behind.
	snapshot *raftpb.SnapshotMetadata
	// entries and hardState are to be synced; nothing is where hardState is nil.
	entries   []*raftpb.Entry
	hardState *raftpb.HardState
	// appends counts the messages with entries, answers are what they promise, passOn is for the applier.
	appends uint64
	answers []*raftpb.Message
	passOn  *raftpb.Message
}

// next returns the first write that the messages ask for, with as few syncs as they allow, and what is left of them: a write
// ends after appendBytesMax, where a later message overwrites entries of an earlier one, and at a snapshot.
func (w *logWriter) next(messages []*raftpb.Message) (logWrite, []*raftpb.Message) {
	n := mergeable(messages)
	first, merged, rest := messages[0], messages[:n], messages[n:]
	if first.GetType() == raftpb.MsgStorageApply {
		return logWrite{hardState: w.unwritten(), passOn: first}, rest
	}
	write := logWrite{snapshot: first.GetSnapshot().GetMetadata()}
	for _, m := range merged {
		if len(m.GetEntries()) > 0 {
			write.entries = append(write.entries, m.GetEntries()...)
			write.appends++
		}
		if m.Term != nil || m.Vote != nil || m.Commit != nil {
			w.hardState = &raftpb.HardState{Term: m.Term, Vote: m.Vote, Commit: m.Commit}
		}
		write.answers = append(write.answers, m.GetResponses()...)
	}
	// What the answers may promise is made durable: entries, a term, a vote. A commit index alone is no promise, though a
	// follower answers it; with a write and a sync for each a follower would have two of both for every append. It waits
	// for the next entries.
	if raft.MustSync(w.hardState, w.written, len(write.entries)) {
		write.hardState = w.hardState
	}
	return write, rest
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

// wrote notes that a write is done, and tells whether a lull is to be waited for from now on.
func (w *logWriter) wrote(write logWrite) (keep bool) {
	if write.hardState != nil {
		w.written = write.hardState
		w.busy = true
	}
	if write.passOn != nil {
		w.keeping = false
		return false
	}
	if w.hardState == w.written || w.keeping {
		return false
	}
	w.keeping, w.busy = true, false
	return true
}

// lull is called when commitKeptMax has passed: it returns the commit index that is to be written now, because no entries
// came, or nil, because some did or there is none. again says that a lull is to be waited for once more.
func (w *logWriter) lull() (write logWrite, again bool) {
	if w.keeping && w.busy {
		w.busy = false
		return logWrite{}, true
	}
	w.keeping = false
	return logWrite{hardState: w.unwritten()}, false
}

// unwritten is a commit index behind which no entries came, nil where the log has it. Unsynced it would stay in the process's
// memory, and end with it.
func (w *logWriter) unwritten() *raftpb.HardState {
	if w.hardState == w.written {
		return nil
	}
	return w.hardState
}
