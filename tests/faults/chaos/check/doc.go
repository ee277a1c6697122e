// Package check judges histories: whether what clients were answered, what watchers were shown and what became of leases is
// what one correct store may do. Each check is a pure function of a history, so that it can be shown to fail on a broken one.
//
// The store gives every write a revision, which makes most of it exact and cheap: the stored history is replayed once, each
// answer is compared with the state at its revision, and the revisions must not contradict the clock. Porcupine searches for an order once
// more without believing in revisions.
package check
