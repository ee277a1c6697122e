// Package membership is who belongs to the cluster, and which changes of that are allowed. What decides is plain functions: Change
// makes the next version of the members of the one before, on every member alike, and MayAdd, MayRemove and MayPromote say of a
// Situation what could cost the quorum. Members has the newest version and tells the transport of it, and Changes has a change
// committed for a caller. The package reads no clock, starts no goroutine, and knows the log and the state by what it keeps in them.
package membership
