package statemachine

import (
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/quoratedb/quorate/services/consensus/internal/auth"
	"github.com/quoratedb/quorate/services/consensus/internal/mvcc"
)

// Machine is the state machine over one store.
type Machine struct {
	store *mvcc.Store
	tree  treeCounters
	// auth is the users and roles that are committed, once load has read them.
	auth atomic.Pointer[auth.State]
	load func() error
	// batch is the one that Begin hands out.
	batch Batch
}

// New makes the state machine of a store, which stays its caller's.
func New(store *mvcc.Store) *Machine {
	m := &Machine{store: store}
	m.load = sync.OnceValue(func() error {
		state, err := auth.Load(func(fn func(string, []byte) error) error { return mvcc.Records(store, fn) })
		m.auth.Store(state)
		return err
	})
	return m
}

// Auth returns the users and roles that are committed. An error is storage's.
func (m *Machine) Auth() (*auth.State, error) {
	if state := m.auth.Load(); state != nil {
		return state, nil
	}
	if err := m.load(); err != nil {
		return nil, fmt.Errorf("state machine: %w", err)
	}
	return m.auth.Load(), nil
}

// Begin starts a batch. There is one at a time: it must be committed or closed before the next one begins.
func (m *Machine) Begin() *Batch {
	state, _ := m.Auth() // Apply fails where there is none
	m.batch = Batch{rows: m.store.Begin(), machine: m, tree: &m.tree, auth: state, begun: state}
	return &m.batch
}
