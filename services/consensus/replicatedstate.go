package consensus

import (
	"github.com/quoratedb/quorate/services/consensus/internal/gate"
	"github.com/quoratedb/quorate/services/consensus/internal/membership"
	"github.com/quoratedb/quorate/services/consensus/internal/mvcc"
	"github.com/quoratedb/quorate/services/consensus/internal/replication"
	"github.com/quoratedb/quorate/services/consensus/internal/statemachine"
)

// replicatedState is the state as the log makes it.
type replicatedState struct{ gate *gate.Gate }

func (s replicatedState) store() *mvcc.Store { return s.gate.State() }

// Begin implements replication.State.
func (s replicatedState) Begin() replication.Batch { return s.gate.Machine().Begin() }

// Applied implements replication.State.
func (s replicatedState) Applied() (index, term uint64) { return s.store().Applied() }

// Revision implements replication.State.
func (s replicatedState) Revision() int64 { return s.store().Revision() }

// Refuses implements replication.State.
func (s replicatedState) Refuses(err error) bool {
	return membership.IsChangeError(err) || statemachine.Refuses(err)
}
