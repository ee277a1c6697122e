package check

import (
	"fmt"
	"slices"

	"github.com/quoratedb/quorate/tests/faults/chaos/history"
)

// firstRevision is that of a store's first write.
const firstRevision = 2

// History checks what the store itself tells in the end: no revision is missing, repeated or empty, each key's
// revisions follow from those before it, prev_kv is the state before, all members tell the same and hold what follows from it, and none has raised an alarm.
func History(states []history.MemberState) Verdict {
	v := Verdict{Name: "stored history, the same on all members", What: "revisions"}
	for i, state := range states {
		for _, alarm := range state.Alarms {
			v.violation("%s: alarm %s", state.Member, alarm)
		}
		end := replayAll(&v, state)
		if !slices.Equal(end, state.Entries) {
			v.violation("%s: the keys are not what its history leads to", state.Member)
		}
		if i == 0 {
			v.Checked = len(state.Stored)
			continue
		}
		compare(&v, states[0], state)
	}
	return v
}

// replayAll follows one member's history and returns the keys that it leads to, ordered.
func replayAll(v *Verdict, state history.MemberState) []history.Entry {
	m := model{}
	next := int64(firstRevision)
	for _, revision := range state.Stored {
		if revision.Number != next {
			v.violation("%s: revision %d follows %d", state.Member, revision.Number, next-1)
		}
		next = revision.Number + 1
		for _, e := range revision.Events {
			if why := wrong(m, e, revision.Number); why != "" {
				v.violation("%s: %v: %s", state.Member, e, why)
			}
			m.apply([]history.Event{e})
		}
	}
	if last := next - 1; last != state.Revision {
		v.violation("%s: is at revision %d, its history ends at %d", state.Member, state.Revision, last)
	}
	var end []history.Entry
	for _, key := range m.keys(history.Step{Prefix: true}) {
		end = append(end, m[key])
	}
	return end
}

// wrong says what does not fit about an event in a state, if anything.
func wrong(m model, e history.Event, revision int64) string {
	old, exists := m[e.Key]
	switch {
	case e.Delete && !exists:
		return "deletes a key that is not there"
	case exists && e.Prev == nil || !exists && e.Prev != nil || exists && *e.Prev != old:
		return fmt.Sprintf("wrong prev_kv, the state before is %+v", old)
	case e.Delete:
		return ""
	case e.Version != old.Version+1 || exists && e.Create != old.Create || !exists && e.Create != revision:
		return fmt.Sprintf("does not follow from %+v", old)
	}
	return ""
}

func compare(v *Verdict, first, other history.MemberState) {
	if first.Hash != other.Hash {
		v.violation("%s and %s have different hashes at the same revision", first.Member, other.Member)
	}
	if !slices.Equal(first.Members, other.Members) {
		v.violation("%s has members %x, %s has %x", first.Member, first.Members, other.Member, other.Members)
	}
	if !slices.Equal(first.Leases, other.Leases) {
		v.violation("%s has leases %x, %s has %x", first.Member, first.Leases, other.Member, other.Leases)
	}
	for i := range max(len(first.Stored), len(other.Stored)) {
		if i >= len(first.Stored) || i >= len(other.Stored) {
			v.violation("%s tells %d revisions, %s tells %d", first.Member, len(first.Stored), other.Member, len(other.Stored))
			return
		}
		if !equalEvents(first.Stored[i].Events, other.Stored[i].Events) {
			v.violation("%s tells %v, %s tells %v", first.Member, first.Stored[i], other.Member, other.Stored[i])
			return
		}
	}
}
