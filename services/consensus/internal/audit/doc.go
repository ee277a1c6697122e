// Package audit finds a member whose state is not what the log makes of it, and sees to it that it is not believed. There are two ways to
// find it:
//
//   - Members compare digests (package mvcc): every interval, at whatever log indexes they have in common. Who differs
//     from a majority of the voters is the odd one out. Where no majority can be had (of two members, or while others are
//     away), the leader's word counts, after disputeMax if somebody is missing who could decide: to stop both would stop
//     the cluster, and to let both go on would have clients read whichever they reach.
//   - A member reads its state and compares it with its own digest (Verifier): it needs nobody else to know.
//
// The one that is found refuses whatever it would answer from its state (Trust), has the CORRUPT alarm raised under its id, which
// the log carries to all, also over its restarts, and gives leadership away. It goes on to vote and to take the log, so
// that the quorum does not shrink. The others serve on: each of them applies the log for itself.
//
// Only a new state repairs it. An alarm that is disarmed before is raised again.
//
// What follows from a comparison is decided by a judge, which is state and a function: it asks nobody, reads no clock and takes no
// lock. Audit is the loop around it.
package audit
