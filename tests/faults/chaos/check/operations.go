package check

import (
	"cmp"
	"slices"

	"github.com/quoratedb/quorate/tests/faults/chaos/history"
)

// Placement says where in the stored history an operation took effect, and what it must have answered there.
type Placement struct {
	Revision  int64
	Succeeded bool
	Results   []history.Result
}

// Placements are those of the operations that took effect.
type Placements map[*history.Operation]Placement

// operations is the state of the check Operations.
type operations struct {
	Verdict
	byValue map[string]*history.Operation
	// deletes are the unanswered operations that may have deleted without putting.
	deletes []*history.Operation
	writes  map[int64]*history.Operation // by the revision that the answer names
	reads   map[int64][]*history.Operation
	placed  Placements
}

// Operations checks every operation against the stored history: what was acknowledged is there, once, at its revision; what is there
// was asked for; and every answer is what the state at its revision gives. It returns also where each operation took
// effect; one that has no place did not.
func Operations(stored history.Stored, ops []history.Operation) (Verdict, Placements) {
	c := &operations{
		Verdict: Verdict{Name: "operations against the history", What: "operations", Checked: len(ops)},
		byValue: map[string]*history.Operation{},
		writes:  map[int64]*history.Operation{}, reads: map[int64][]*history.Operation{},
		placed: Placements{},
	}
	for i := range ops {
		c.add(&ops[i])
	}
	// The one called first may account for the first deletion: none of them has to end before anything.
	slices.SortFunc(c.deletes, func(a, b *history.Operation) int { return cmp.Compare(a.Call, b.Call) })
	m := model{}
	c.read(m, firstRevision-1)
	last := int64(firstRevision - 1)
	for _, revision := range stored {
		last = revision.Number
		c.revision(m, revision)
		m.apply(revision.Events)
		c.read(m, revision.Number)
	}
	for number, op := range c.writes {
		if _, found := c.placed[op]; !found {
			c.violation("lost write: revision %d is not in the history, which ends at %d: %v", number, last, op)
		}
	}
	for number, ops := range c.reads {
		if number > last || number < firstRevision-1 {
			c.violation("read at revision %d, the history ends at %d: %v", number, last, ops[0])
		}
	}
	return c.Verdict, c.placed
}

// add files an operation by what it is to be found by.
func (c *operations) add(op *history.Operation) {
	puts := false
	for _, steps := range [][]history.Step{op.Then, op.Else} {
		for _, step := range steps {
			if step.Kind == history.Put {
				puts = true
				c.byValue[step.Value] = op
			}
		}
	}
	switch {
	case op.Outcome == history.Unknown:
		if !puts {
			c.deletes = append(c.deletes, op)
		}
	case op.Wrote():
		if other := c.writes[op.Revision]; other != nil {
			c.violation("two operations claim revision %d: %v and %v", op.Revision, other, op)
		}
		c.writes[op.Revision] = op
	default:
		c.reads[op.Revision] = append(c.reads[op.Revision], op)
	}
}

// revision finds the operation that made a revision, and checks that it makes exactly these events of the state before.
func (c *operations) revision(before model, revision history.Revision) {
	op := c.maker(before, revision)
	if op == nil {
		if !byLease(before, revision) {
			c.violation("nobody asked for revision %d: %v", revision.Number, revision.Events)
		}
		return
	}
	if earlier, already := c.placed[op]; already {
		c.violation("happened twice, at revisions %d and %d: %v", earlier.Revision, revision.Number, op)
		return
	}
	succeeded := before.holds(op.Conditions)
	steps := op.Else
	if succeeded {
		steps = op.Then
	}
	results, events := before.evaluate(steps, revision.Number)
	c.placed[op] = Placement{revision.Number, succeeded, results}
	if !equalEvents(events, revision.Events) {
		c.violation("revision %d holds %v, but should hold %v: %v", revision.Number, revision.Events, events, op)
	}
	if op.Outcome == history.Unknown {
		return
	}
	if op.Revision != revision.Number {
		c.violation("happened at revision %d: %v", revision.Number, op)
	} else if op.Succeeded != succeeded || !equalResults(op.Results, results) {
		c.violation("wrong answer, should be succeeded %t, %+v: %v", succeeded, results, op)
	}
}

// maker is the operation that is to account for a revision, nil if there is none.
func (c *operations) maker(before model, revision history.Revision) *history.Operation {
	for _, e := range revision.Events {
		if !e.Delete {
			return c.byValue[e.Value]
		}
	}
	if op := c.writes[revision.Number]; op != nil {
		return op
	}
	for i, op := range c.deletes {
		if _, events := before.evaluate(op.Then, revision.Number); equalEvents(events, revision.Events) {
			c.deletes = slices.Delete(c.deletes, i, i+1)
			return op
		}
	}
	return nil
}

// byLease reports whether a revision is the end of leases: it deletes all keys that they hold, and nothing else. That several
// end at once is a store's own choice.
func byLease(before model, revision history.Revision) bool {
	ended, deleted := map[int64]bool{}, 0
	for _, e := range revision.Events {
		held := before[e.Key].Lease
		if !e.Delete || held == 0 {
			return false
		}
		ended[held] = true
		deleted++
	}
	for _, entry := range before {
		if ended[entry.Lease] {
			deleted--
		}
	}
	return deleted == 0
}

// read checks the answers that changed nothing against the state at their revision.
func (c *operations) read(m model, revision int64) {
	for _, op := range c.reads[revision] {
		succeeded := m.holds(op.Conditions)
		steps := op.Else
		if succeeded {
			steps = op.Then
		}
		results, _ := m.evaluate(steps, revision+1)
		if op.Succeeded != succeeded || !equalResults(op.Results, results) {
			c.violation("wrong answer, should be succeeded %t, %+v: %v", succeeded, results, op)
		}
		c.placed[op] = Placement{revision, succeeded, results}
	}
}

// Order checks that the order of revisions does not contradict the clock: what was called after an answer sees, or makes, a revision
// that is not older; and a write a newer one. With Operations, that makes the whole history linearizable.
func Order(ops []history.Operation, placed Placements) Verdict {
	v := Verdict{Name: "revisions against the clock", What: "operations"}
	var calls, returns []*history.Operation
	for i := range ops {
		op := &ops[i]
		if _, took := placed[op]; !took || op.Serializable {
			continue
		}
		calls = append(calls, op)
		if op.Outcome == history.Answered {
			returns = append(returns, op)
		}
	}
	v.Checked = len(calls)
	slices.SortFunc(calls, func(a, b *history.Operation) int { return cmp.Compare(a.Call, b.Call) })
	slices.SortFunc(returns, func(a, b *history.Operation) int { return cmp.Compare(a.Return, b.Return) })
	var newest *history.Operation
	for _, op := range calls {
		for len(returns) > 0 && returns[0].Return < op.Call {
			if newest == nil || placed[returns[0]].Revision > placed[newest].Revision {
				newest = returns[0]
			}
			returns = returns[1:]
		}
		if newest == nil {
			continue
		}
		writes := op.Outcome == history.Unknown || op.Wrote()
		if at, seen := placed[op].Revision, placed[newest].Revision; at < seen || writes && at == seen {
			v.violation("at revision %d, though %d was answered before its call: %v; before: %v", at, seen, op, newest)
		}
	}
	return v
}
