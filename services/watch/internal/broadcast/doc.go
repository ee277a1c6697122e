// Package broadcast carries batches of commits from the ingester to the watch nodes: to that of its own process by handing them over; to
// others, and to users' NATS clients, by embedded NATS servers with routes between them. It promises little on purpose. A batch may be
// lost, doubled or late, and each says which revision it follows, so that a receiver notices and reads what it missed elsewhere. It does
// not read commits, and does not match them.
package broadcast
