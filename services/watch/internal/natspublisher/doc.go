// Package natspublisher publishes committed events to users' NATS clients: each on a subject made from its key, with what a
// client needs to notice that it missed something. It promises no delivery, and knows nothing of watches.
package natspublisher
