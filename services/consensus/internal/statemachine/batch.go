package statemachine

import (
	"github.com/quoratedb/quorate/services/consensus/internal/auth"
	"github.com/quoratedb/quorate/services/consensus/internal/mvcc"
	"github.com/quoratedb/quorate/services/consensus/internal/prefixquota"
)

// Batch is commands that become visible, and durable, together. They are applied in the order of the log. Each sees those
// before it. It is for one goroutine.
//
// A command is first checked, then carried out: nothing is written before everything that may refuse it is known, since a
// batch cannot take a write back.
type Batch struct {
	rows    *mvcc.Batch
	machine *Machine
	tree    *treeCounters
	// auth is the users and roles after the commands so far, begun those before them.
	auth, begun *auth.State
	// quotas are the quotas by prefix after the commands so far, nil where Apply fails.
	quotas *prefixquota.Ledger
	// unanswered says that nobody waits for the results of the commands to come.
	unanswered bool
}

// Answers says whether anybody waits for the results of the commands to come. If not, what they hold beside what the state
// needs is left out.
func (b *Batch) Answers(waited bool) { b.unanswered = !waited }

// SetTime is mvcc's Batch.SetTime.
func (b *Batch) SetTime(nanoseconds int64) { b.rows.SetTime(nanoseconds) }

// SetApplied is mvcc's Batch.SetApplied.
func (b *Batch) SetApplied(index, term uint64) {
	b.settleQuotas()
	b.rows.SetApplied(index, term)
}

// SetMeta is mvcc's Batch.SetMeta.
func (b *Batch) SetMeta(name string, value []byte) { b.rows.SetMeta(name, value) }

// Note is mvcc's Batch.Note.
func (b *Batch) Note(values ...uint64) { b.rows.Note(values...) }

// Full is mvcc's Batch.Full.
func (b *Batch) Full() bool { return b.rows.Full() }

// Commit is mvcc's Batch.Commit. Users and roles become visible before the rows: who sees a row sees who may. Quotas become visible after
// them: who sees one that is to be counted finds the rows as of which it is.
func (b *Batch) Commit() error {
	b.settleQuotas()
	if b.auth != b.begun {
		b.machine.auth.Store(b.auth)
		b.begun.Supersede()
	}
	err := b.rows.Commit()
	if err == nil {
		b.commitQuotas()
	}
	return err
}

// Close is mvcc's Batch.Close.
func (b *Batch) Close() error {
	if b.quotas != nil {
		b.quotas.Discard()
	}
	return b.rows.Close()
}
