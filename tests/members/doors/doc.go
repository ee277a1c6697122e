// Package doors holds what must be true of every listener and of the process around it, whoever connects and whatever is
// sent: that a stop ends, that clients leave the store what it needs, that a start can be watched.
package doors
