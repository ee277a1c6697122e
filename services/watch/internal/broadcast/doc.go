// Package broadcast carries batches of commits from the ingester to the watch nodes, over embedded NATS servers. In one
// process the server listens on nothing and its clients connect to it within the process; with several watch nodes there
// are NATS routes between their servers. It promises little on purpose. A batch may be lost, doubled or late, and each
// says which revision it follows, so that a receiver notices and reads what it missed elsewhere. It does not read
// commits, and does not match them.
package broadcast
