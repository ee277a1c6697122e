// Package consensus is one member of the replicated store: Raft, its log, the MVCC state that the log makes, and the
// feed of what was committed. It knows nothing of clients' wires, of watchers, of lease clocks or of NATS.
//
// # Who owns what
//
// Three goroutines own the moving parts, and everybody else sends to them or reads immutable state:
//
//   - the replica (replica.go) owns raft.RawNode: ticks, steps, proposals, read indexes. It does no I/O.
//   - the appender (appender.go) owns the log's appends: one synced batch for all that queued while the last one synced.
//   - the applier (applier.go) owns the state store's write side: entries in, one batch, answers to the waiters, the feed.
//
// They form a ring (replica to appender to replica to applier to replica) whose queues are mailboxes that never block,
// because raft itself bounds what is in them: a bounded queue there could deadlock the ring. What is bounded, and where
// callers feel it, is the queue of proposals in front of the replica.
//
// # Why asynchronous storage writes
//
// With them the next batch of proposals is collected while the last one syncs, and applied while the one after it syncs;
// the disk never waits for the state machine. The naive loop (save, send, apply, advance) pays for all three in turn.
package consensus
