// Package match decides which watcher sees which event. A Node receives the broadcast, notices what it missed and
// reads it from history, matches commits against its watches, and queues what they find on their sessions. A Session
// is one client's watches and hands out their deliveries when asked. The package knows neither NATS nor wires, and
// stores nothing but the most recent commits.
package match
