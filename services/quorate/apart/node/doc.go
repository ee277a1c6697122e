// Package node is what the programs of services that run apart have in common: their flags, the listener on which they
// serve each other, with mutual TLS or without, health and metrics, the log, signals, and the order of starting and
// stopping. What a node serves is its role's business.
package node
