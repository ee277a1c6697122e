// Package groups decides at which watch node each of an API node's watches is told what happens, and what of it is for
// which: equal watches form a group, a group is one subscription at one node, and each watch is a cursor. It is state and
// functions, with no goroutine, clock, lock or I/O of its own. Package relay owns the loops around it.
package groups
