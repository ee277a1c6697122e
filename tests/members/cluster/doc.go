// Package cluster holds tests of what several members promise together, against real processes: what a client hears when
// there is no leader, and what a learner serves. Faults under load are in tests/faults/chaos.
package cluster
