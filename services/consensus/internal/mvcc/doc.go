// Package mvcc stores the replicated state of a member: every version of every key, the history that orders them, and
// the leases and alarms beside them, on Pebble.
//
// One goroutine writes, through a Batch: it brings rows in, in log order, commits, and begins the next. Any number of
// goroutines read, each from the state that was newest when its read began.
//
// It does not know what commands do (package statemachine does), of Raft (an applied index is a number to it), of who may do
// what, or of time: what it holds depends on the rows that it was given and on nothing else, so that all members end in the
// same state.
package mvcc
