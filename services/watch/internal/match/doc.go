// Package match decides which watch sees which event: what a commit means for which watches, how a node gets over what it
// missed, and how far a watch that is behind gets. It is state and functions, with no goroutine, clock, lock or
// randomness of its own, and it reads nothing: what has to be read it says, and takes in the answer. Package node owns the
// loops around it.
package match
