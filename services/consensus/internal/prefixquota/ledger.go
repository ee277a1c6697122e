package prefixquota

import (
	"errors"
	"fmt"
	"slices"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// Ledger is the quotas as commands change them. It is for the goroutine that applies.
type Ledger struct {
	// State is after the commands so far, committed before them.
	*State
	committed *State
	// touched are the meters that moved since the last commit, unsettled the quotas whose meters did since the last Settle.
	touched   []*meter
	unsettled []*quota
}

// NewLedger begins with what is committed.
func NewLedger(s *State) *Ledger { return &Ledger{State: s, committed: s} }

// Changed has every prefix that a key begins with follow a change of that key.
func (l *Ledger) Changed(key []byte, change Use) {
	for i := l.longest(key); i >= 0; i = l.entries[i].parent {
		l.move(l.entries[i].quota, change)
	}
}

func (l *Ledger) move(q *quota, change Use) {
	if change == (Use{}) {
		return
	}
	if q.meter.now == q.meter.stored {
		l.unsettled = append(l.unsettled, q)
	}
	if q.meter.now == *q.meter.shown.Load() {
		l.touched = append(l.touched, q.meter)
	}
	q.meter.now = q.meter.now.plus(change)
}

// Settle writes what is in use to the records. It is called once for each entry of the log, after its commands.
func (l *Ledger) Settle(rows Rows) {
	for _, q := range l.unsettled {
		i, found := l.find(q.prefix)
		if m := q.meter; found && l.entries[i].meter == m && m.now != m.stored {
			rows.SetRecord(recordUse+q.prefix, encodeUse(m.stored), encodeUse(m.now))
			m.stored = m.now
		}
	}
	clear(l.unsettled)
	l.unsettled = l.unsettled[:0]
}

// Commit shows what the commands so far have made, which must be settled, and returns the state.
func (l *Ledger) Commit() *State {
	for _, m := range l.touched {
		shown := m.now
		m.shown.Store(&shown)
	}
	clear(l.touched)
	l.touched = l.touched[:0]
	if l.committed != l.State {
		l.committed.supersede()
		l.committed = l.State
	}
	return l.State
}

// Discard forgets what was not committed.
func (l *Ledger) Discard() {
	for _, m := range l.touched {
		m.now, m.stored = *m.shown.Load(), *m.shown.Load()
	}
	clear(l.touched)
	clear(l.unsettled)
	l.touched, l.unsettled, l.State = l.touched[:0], l.unsettled[:0], l.committed
}

// Refused counts a command that was refused for a quota.
func (l *Ledger) Refused(err error) {
	if e, ok := errors.AsType[*exceeded](err); ok {
		e.of.refused.Add(1)
	}
}

// Apply carries out a command at a revision. Refusals, which have written nothing, are errdefs.ErrQuotaNotFound and ErrTooManyQuotas.
func (l *Ledger) Apply(rows Rows, op *consensusv1.QuotaOp, revision int64) (*consensusv1.QuotaResult, error) {
	switch o := op.GetOp().(type) {
	case *consensusv1.QuotaOp_Set:
		return l.set(rows, o.Set, revision)
	case *consensusv1.QuotaOp_Delete:
		return l.delete(rows, o.Delete)
	case *consensusv1.QuotaOp_Sum:
		return l.sum(rows, o.Sum)
	}
	return nil, fmt.Errorf("unknown change of quotas %T: a newer version of the program has written it, which this member must run too", op.GetOp())
}

func (l *Ledger) set(rows Rows, op *consensusv1.QuotaSetOp, revision int64) (*consensusv1.QuotaResult, error) {
	prefix := string(op.GetPrefix())
	i, found := l.find(prefix)
	if !found && len(l.entries) >= quotasMax {
		return nil, fmt.Errorf("quota of %q: there are %d: %w", prefix, len(l.entries), errdefs.ErrTooManyQuotas)
	}
	spec := &consensusv1.PrefixQuota{Prefix: op.GetPrefix(), Limits: op.GetLimits(), Counting: true, Revision: revision}
	if found {
		old := l.entries[i]
		spec.Counting, spec.Revision = old.spec.GetCounting(), old.spec.GetRevision()
		return l.replace(rows, i, spec), nil
	}
	made := &quota{spec, prefix, newMeter(Use{})}
	rows.SetRecord(recordSpec+prefix, nil, encodeSpec(spec))
	rows.SetRecord(recordUse+prefix, nil, encodeUse(Use{}))
	l.State = newState(slices.Insert(l.quotas(), i, made))
	return &consensusv1.QuotaResult{Quota: made.status(made.meter.now)}, nil
}

func (l *Ledger) delete(rows Rows, op *consensusv1.QuotaDeleteOp) (*consensusv1.QuotaResult, error) {
	i, found := l.find(string(op.GetPrefix()))
	if !found {
		return nil, fmt.Errorf("quota of %q: %w", op.GetPrefix(), errdefs.ErrQuotaNotFound)
	}
	old := l.entries[i]
	rows.DropRecord(recordSpec+old.prefix, encodeSpec(old.spec))
	rows.DropRecord(recordUse+old.prefix, encodeUse(old.meter.stored))
	l.State = newState(slices.Delete(l.quotas(), i, i+1))
	return &consensusv1.QuotaResult{}, nil
}

// sum ends the counting. Who counted may have been late: another may have been sooner, or the quota may be another one by now.
func (l *Ledger) sum(rows Rows, op *consensusv1.QuotaSumOp) (*consensusv1.QuotaResult, error) {
	i, found := l.find(string(op.GetPrefix()))
	if !found || !l.entries[i].spec.GetCounting() || l.entries[i].spec.GetRevision() != op.GetRevision() {
		return &consensusv1.QuotaResult{}, nil
	}
	old := l.entries[i]
	l.move(old.quota, Use{op.GetUse().GetKeys(), op.GetUse().GetBytes()})
	return l.replace(rows, i, &consensusv1.PrefixQuota{
		Prefix: old.spec.GetPrefix(), Limits: old.spec.GetLimits(), Revision: old.spec.GetRevision(),
	}), nil
}

// replace gives a quota another specification. What is in use of it stays.
func (l *Ledger) replace(rows Rows, i int, spec *consensusv1.PrefixQuota) *consensusv1.QuotaResult {
	old := l.entries[i]
	made := &quota{spec, old.prefix, old.meter}
	rows.SetRecord(recordSpec+old.prefix, encodeSpec(old.spec), encodeSpec(spec))
	quotas := l.quotas()
	quotas[i] = made
	l.State = newState(quotas)
	return &consensusv1.QuotaResult{Quota: made.status(made.meter.now)}
}

// quotas returns all, for the caller to change.
func (l *Ledger) quotas() []*quota {
	quotas := make([]*quota, len(l.entries), len(l.entries)+1)
	for i, e := range l.entries {
		quotas[i] = e.quota
	}
	return quotas
}
