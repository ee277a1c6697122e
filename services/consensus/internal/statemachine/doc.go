// Package statemachine holds what commands do: puts, deletes, transactions, compactions, leases, alarms, and changes of the
// tree that the v2 API shows; an operation a file. Each is a function over the rows of a batch: what it may read, and how rows
// are written, is mvcc's, which knows no command. The rules of the tree are package tree's.
//
// It has no clock, disk or randomness of its own, and knows neither Raft nor who may do what: what a command does depends on the
// commands before it and on nothing else, so that all members end in the same state.
package statemachine
