package audit

import (
	"fmt"
	"log/slog"
	"sync/atomic"

	"github.com/quoratedb/quorate/pkg/errdefs"
	"github.com/quoratedb/quorate/pkg/identity"
	"github.com/quoratedb/quorate/services/consensus/internal/gate"
	"github.com/quoratedb/quorate/services/consensus/internal/mvcc"
)

// Trust is whether this member may answer from its state: not where it has found out itself that the state is not the
// cluster's, nor where the CORRUPT alarm is raised in its name.
type Trust struct {
	self uint64
	gate *gate.Gate
	// sentence is what it found out itself, and kick has a token when the audit should look at once.
	sentence atomic.Pointer[sentence]
	kick     chan struct{}
	log      *slog.Logger
}

// sentence is what was found in a state. It holds as long as that is the member's.
type sentence struct {
	state  *mvcc.Store
	reason string
}

// NewTrust returns that of a member in whose state nothing was found yet.
func NewTrust(self uint64, gate *gate.Gate, log *slog.Logger) *Trust {
	return &Trust{self: self, gate: gate, kick: make(chan struct{}, 1), log: log}
}

// Condemned tells whether something was found in the state that is the member's now.
func (t *Trust) Condemned() bool {
	s := t.sentence.Load()
	return s != nil && s.state == t.gate.State()
}

// Check returns errdefs.ErrCorrupt when this member must not answer from its state.
func (t *Trust) Check() error {
	if t.Condemned() || t.gate.Corrupt(t.self) {
		return fmt.Errorf("state of member %s: %w", identity.Format(t.self), errdefs.ErrCorrupt)
	}
	return nil
}

// Recheck has the members compared soon: alarms have been raised or lowered. It does not wait.
func (t *Trust) Recheck() {
	select {
	case t.kick <- struct{}{}:
	default:
	}
}

// condemn is called when this member has found that it is not to be believed because of a state. It does nothing if that
// was replaced meanwhile.
func (t *Trust) condemn(state *mvcc.Store, reason string) {
	before := t.sentence.Load()
	if state != t.gate.State() || before != nil && before.state == state {
		return
	}
	if t.sentence.CompareAndSwap(before, &sentence{state, reason}) {
		t.log.Error("this member answers no more: its state is not that of the cluster. Remove it (etcdctl member remove), delete its data directory, "+
			"and add it as a new member (etcdctl member add); if it is the only one, restore a snapshot",
			"member", identity.Format(t.self), "found", reason)
		t.Recheck()
	}
}
