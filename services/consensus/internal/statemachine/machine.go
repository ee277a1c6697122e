package statemachine

import (
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/quoratedb/quorate/services/consensus/internal/auth"
	"github.com/quoratedb/quorate/services/consensus/internal/mvcc"
	"github.com/quoratedb/quorate/services/consensus/internal/prefixquota"
)

// Machine is the state machine over one store.
type Machine struct {
	store *mvcc.Store
	tree  treeCounters
	// auth is the users and roles that are committed, once load has read them.
	auth atomic.Pointer[auth.State]
	// quotas are those that are committed, and ledger those that a batch works on, once load has read them.
	quotas atomic.Pointer[prefixquota.State]
	ledger *prefixquota.Ledger
	load   func() error
	// batch is the one that Begin hands out.
	batch Batch
}

// New makes the state machine of a store, which stays its caller's.
func New(store *mvcc.Store) *Machine {
	m := &Machine{store: store}
	m.load = sync.OnceValue(func() error {
		records := func(fn func(string, []byte) error) error { return mvcc.Records(store, fn) }
		quotas, err := prefixquota.Load(records)
		if err != nil {
			return err
		}
		state, err := auth.Load(records)
		if err != nil {
			return err
		}
		m.ledger = prefixquota.NewLedger(quotas)
		m.quotas.Store(quotas)
		m.auth.Store(state)
		return nil
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

// Quotas returns the quotas by prefix that are committed. An error is storage's.
func (m *Machine) Quotas() (*prefixquota.State, error) {
	if _, err := m.Auth(); err != nil {
		return nil, err
	}
	return m.quotas.Load(), nil
}

// Begin starts a batch. There is one at a time: it must be committed or closed before the next one begins.
func (m *Machine) Begin() *Batch {
	state, _ := m.Auth() // Apply fails where there is none
	m.batch = Batch{rows: m.store.Begin(), machine: m, tree: &m.tree, auth: state, begun: state, quotas: m.ledger}
	m.batch.followChanges()
	return &m.batch
}
