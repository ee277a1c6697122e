// Package broadcast carries batches of commits from the ingester to the watch nodes. In one process it hands them over; with
// several watch nodes, or users' NATS clients, it takes embedded NATS servers with routes between them. It promises little on purpose. A batch may be lost, doubled or late, and each
// says which revision it follows, so that a receiver notices and reads what it missed elsewhere. It does not read
// commits, and does not match them.
package broadcast
