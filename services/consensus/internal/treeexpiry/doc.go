// Package treeexpiry ends the files and directories that the v2 API gave a time. Their expirations are moments of the wall clock, so that
// a restart does not prolong them: it is the leader's that counts. It proposes each end as a command of its own, in the order
// of expirations, since each has a revision of its own.
//
// When to look and what to propose is decided by a schedule, which is state and a function: it reads no clock and waits for nobody. Expiry is
// the loop around it. What is due is the state's to say, and what an end does the state machine's.
package treeexpiry
