package sessionqueue

import "slices"

// RequestsMax bounds how many progress requests of a session may be open; the one for the highest revision stands in for
// more.
const RequestsMax = 128

// Requests are the revisions of open progress requests, the lowest first: none waits for another. An API node's request
// for a revision still to come must not hold back the positions that tell it that this node is well.
type Requests struct{ revisions []int64 }

// Add opens a request.
func (r *Requests) Add(revision int64) {
	at, _ := slices.BinarySearch(r.revisions, revision)
	r.revisions = slices.Insert(r.revisions, at, revision)
	if last := len(r.revisions) - 1; last == RequestsMax {
		r.revisions = slices.Delete(r.revisions, last-1, last)
	}
}

// Len is how many requests are open.
func (r *Requests) Len() int { return len(r.revisions) }

// Lowest is the lowest revision that is asked for. There must be a request.
func (r *Requests) Lowest() int64 { return r.revisions[0] }

// Answered closes the request for the lowest revision.
func (r *Requests) Answered() { r.revisions = r.revisions[1:] }

// Drop closes all.
func (r *Requests) Drop() { r.revisions = nil }
