package statemachine

import "github.com/quoratedb/quorate/services/consensus/internal/mvcc"

// Machine is the state machine over one store.
type Machine struct {
	store *mvcc.Store
	tree  treeCounters
	// batch is the one that Begin hands out.
	batch Batch
}

// New makes the state machine of a store, which stays its caller's.
func New(store *mvcc.Store) *Machine { return &Machine{store: store} }

// Begin starts a batch. There is one at a time: it must be committed or closed before the next one begins.
func (m *Machine) Begin() *Batch {
	m.batch = Batch{rows: m.store.Begin(), tree: &m.tree}
	return &m.batch
}
