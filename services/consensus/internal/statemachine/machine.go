package statemachine

import (
	"fmt"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/pkg/problem"
	"github.com/quoratedb/quorate/services/consensus/internal/mvcc"
)

// Machine is the state machine over one store.
type Machine struct {
	store *mvcc.Store
	tree  treeCounters
	// batch is the one that Begin hands out.
	batch Batch
}

// New makes the state machine of a store, which stays its caller's.
func New(store *mvcc.Store) *Machine { return &Machine{store: store} }

// Batch is commands that become visible, and durable, together. They are applied in the order of the log. Each sees those
// before it. It is for one goroutine.
//
// A command is first checked, then carried out: nothing is written before everything that may refuse it is known, since a
// batch cannot take a write back.
type Batch struct {
	rows *mvcc.Batch
	tree *treeCounters
	// unanswered says that nobody waits for the results of the commands to come.
	unanswered bool
}

// Begin starts a batch. There is one at a time: it must be committed or closed before the next one begins.
func (m *Machine) Begin() *Batch {
	m.batch = Batch{rows: m.store.Begin(), tree: &m.tree}
	return &m.batch
}

// Answers says whether anybody waits for the results of the commands to come. If not, what they hold beside what the state
// needs is left out.
func (b *Batch) Answers(waited bool) { b.unanswered = !waited }

// Apply carries out a command. The result is what its proposer gets, the commit what it changed, nil if nothing.
//
// An error that is one of problem's refuses the command, which then has no effect; so would it on every other member.
// Any other error means that storage is broken: the member must stop, and not commit the batch.
//
// The commit and the result share memory with the command and with each other; nobody may change any of them afterwards.
func (b *Batch) Apply(cmd *consensusv1.Command) (*consensusv1.Result, *consensusv1.Commit, error) {
	b.rows.BeginRevision()
	res, err := apply(b, cmd)
	if err != nil {
		return nil, nil, err
	}
	commit := b.rows.EndRevision()
	_, res.Revision = b.rows.Bounds()
	return res, commit, nil
}

func apply(b *Batch, cmd *consensusv1.Command) (*consensusv1.Result, error) {
	if c, ok := cmd.GetCommand().(*consensusv1.Command_Alarm); ok {
		return alarm(b, c.Alarm)
	}
	if corrupt(b) {
		return nil, problem.ErrCorrupt
	}
	switch c := cmd.GetCommand().(type) {
	case *consensusv1.Command_Put:
		return put(b, c.Put)
	case *consensusv1.Command_DeleteRange:
		return deleteRange(b, c.DeleteRange)
	case *consensusv1.Command_Txn:
		return txn(b, c.Txn)
	case *consensusv1.Command_Compact:
		return compact(b, c.Compact)
	case *consensusv1.Command_LeaseGrant:
		return grantLease(b, c.LeaseGrant)
	case *consensusv1.Command_LeaseRevoke:
		return revokeLeases(b, c.LeaseRevoke)
	case *consensusv1.Command_LeaseAcquire:
		return acquireLeases(b)
	case *consensusv1.Command_LeaseCheckpoint:
		return checkpointLeases(b, c.LeaseCheckpoint)
	case *consensusv1.Command_Tree:
		return changeTree(b, c.Tree)
	}
	return nil, fmt.Errorf("apply: unknown command %T: a newer version of the program has written it, which this member must run too", cmd.GetCommand())
}

// SetTime is mvcc's Batch.SetTime.
func (b *Batch) SetTime(nanoseconds int64) { b.rows.SetTime(nanoseconds) }

// SetApplied is mvcc's Batch.SetApplied.
func (b *Batch) SetApplied(index, term uint64) { b.rows.SetApplied(index, term) }

// SetMeta is mvcc's Batch.SetMeta.
func (b *Batch) SetMeta(name string, value []byte) { b.rows.SetMeta(name, value) }

// Note is mvcc's Batch.Note.
func (b *Batch) Note(values ...uint64) { b.rows.Note(values...) }

// Full is mvcc's Batch.Full.
func (b *Batch) Full() bool { return b.rows.Full() }

// Commit is mvcc's Batch.Commit.
func (b *Batch) Commit() error { return b.rows.Commit() }

// Close is mvcc's Batch.Close.
func (b *Batch) Close() error { return b.rows.Close() }
