// Package pebbletuning is where Pebble is tuned, for the two stores of a member: log.go for the log of raft, state.go for the state.
// It opens nothing: file system, cache, lock, logger and listener are set by whoever opens a store.
package pebbletuning
