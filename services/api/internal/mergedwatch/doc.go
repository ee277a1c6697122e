// Package mergedwatch is the watch port over another server's Watch service: watches of equal callers for the same range are one watch there,
// for as long as they are at the same place. It resumes after the loss of a member, and holds nothing but what clients have not taken yet.
//
// A watch that begins with what is still to come shares the watch of its kind. One that begins in the past has a watch of its own until it has
// caught up, and then goes over to the shared one; so does one that took its events too slowly: the shared watch goes on without it, and when its
// client has taken what it was given it catches up on its own. Nobody is given an event twice, nor is one left out: each watch knows the first
// revision that it has not been told, and may share where no event of that revision or a later one has been handed out.
package mergedwatch
