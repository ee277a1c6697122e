// Package node runs a watch node: it receives the broadcast, has package match decide what it means for which watches,
// reads from history what was missed, and gives each client, and each API node, a session that hands out deliveries when
// asked. It owns the locks, the clock and the goroutines around what package match decides. It knows neither NATS nor
// wires, and stores nothing but the most recent commits.
package node
