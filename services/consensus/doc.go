// Package consensus is one member of the replicated store: Raft, its log, the MVCC state that the log makes, and the
// feed of what was committed. It knows nothing of clients' wires, of watchers, of lease clocks or of NATS.
//
// How the log is replicated, and brought into the state, is package replication's: it owns the write sides of both. Here is
// what is asked of a member, and what goes on beside: its data directory and members, the audit of its state, room on disk,
// housekeeping. Everybody sends to the owners or reads immutable state.
package consensus
