// Package sessionqueue is what waits for one client of watches: deliveries, in a queue with limits, the watches that are
// behind, in a line, and open progress requests. It serves queue and line in turn. It has no lock and starts nothing: a
// session keeps it under its own lock, and asks it what is next. It does not know where deliveries come from, nor what a
// watch that is behind reads.
package sessionqueue
