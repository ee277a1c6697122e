// Package replication is one member's part in the replication of a log by Raft, and of the state that the log makes. It knows
// commands as what goes through the log, and not what they do; it opens no store and no connection.
//
// # What decides, and what carries it out
//
// What decides is plain state with a function for each thing that happens: the stepper (raft.RawNode, and what is ours around
// it: election.go, stepdown.go, propose.go), the logWriter, the applier, proposals and readIndexes. They are told of ticks, messages
// and what others have done, and return what is to be done: messages, writes, answers, lines for operators. There is no
// goroutine, channel, lock, clock or randomness in them; log, state and members are reached through interfaces as narrow as their
// use. So a whole cluster runs in one goroutine, and a seed makes the
// same of it every time (cluster_test.go; raft draws its election timeouts from crypto/rand, which a test can seed).
//
// What carries it out are three loops, each the owner of one of them, and two locks:
//
//   - raftLoop owns the stepper: ticks, steps, proposals, read indexes. It does no I/O.
//   - logLoop owns the log's appends: one synced batch for all that queued while the last one synced.
//   - applyLoop owns the state's write side: entries in, one batch, answers to the waiters.
//   - pending and readers let callers share proposals and readIndexes with the loops.
//
// The loops form a ring (raft to log to raft to applier to raft) whose queues are mailboxes that never block, because raft itself
// bounds what is in them: a bounded queue there could deadlock the ring. What is bounded, and where callers feel it, is the
// queue of proposals in front.
//
// # Why asynchronous storage writes
//
// With them the next batch of proposals is collected while the last one syncs, and applied while the one after it syncs;
// the disk never waits for the state machine. The naive loop (save, send, apply, advance) pays for all three in turn.
package replication
