// Package watch is the watch service: it decides which watcher sees which event.
//
// It tails the commit feed of consensus, broadcasts it in batches over an embedded NATS server, and matches the
// batches against the watches of its sessions. It stores nothing, and does not know how a delivery reaches a client.
// DESIGN.md beside this file says how it is built and why.
package watch
