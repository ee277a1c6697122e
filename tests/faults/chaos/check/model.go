package check

import (
	"slices"
	"strings"

	"github.com/quoratedb/quorate/tests/faults/chaos/history"
)

// model is the store as one client alone sees it: the state of each key at a revision.
type model map[string]history.Entry

// apply makes events that happen at once.
func (m model) apply(events []history.Event) {
	for _, e := range events {
		if e.Delete {
			delete(m, e.Key)
		} else {
			m[e.Key] = e.Entry
		}
	}
}

// holds reports whether all conditions are met.
func (m model) holds(conditions []history.Condition) bool {
	for _, c := range conditions {
		if m[c.Key].Mod != c.Mod {
			return false
		}
	}
	return true
}

// keys are the existing keys that a step names, ordered.
func (m model) keys(step history.Step) []string {
	if !step.Prefix {
		if _, exists := m[step.Key]; exists {
			return []string{step.Key}
		}
		return nil
	}
	var keys []string
	for key := range m {
		if strings.HasPrefix(key, step.Key) {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}

// evaluate says what steps would answer and change if they were made at a revision; it leaves the model as it is.
func (m model) evaluate(steps []history.Step, revision int64) ([]history.Result, []history.Event) {
	var results []history.Result
	var events []history.Event
	undo := map[string]history.Entry{}
	defer func() {
		for key, entry := range undo {
			if entry.Key == "" {
				delete(m, key)
			} else {
				m[key] = entry
			}
		}
	}()
	change := func(e history.Event) {
		old, exists := m[e.Key]
		if exists {
			e.Prev = &old
		}
		if _, changed := undo[e.Key]; !changed {
			undo[e.Key] = old
		}
		events = append(events, e)
		m.apply([]history.Event{e})
	}
	for _, step := range steps {
		var result history.Result
		for _, key := range m.keys(step) {
			result.Entries = append(result.Entries, m[key])
		}
		switch step.Kind {
		case history.Put:
			old := m[step.Key]
			entry := history.Entry{
				Key: step.Key, Value: step.Value, Lease: step.Lease,
				Create: old.Create, Mod: revision, Version: old.Version + 1,
			}
			if entry.Version == 1 {
				entry.Create = revision
			}
			change(history.Event{Entry: entry})
		case history.Delete:
			for _, key := range m.keys(step) {
				result.Deleted++
				change(history.Event{Delete: true, Entry: history.Entry{Key: key, Mod: revision}})
			}
		}
		results = append(results, result)
	}
	return results, events
}

func equalResults(a, b []history.Result) bool {
	return slices.EqualFunc(a, b, func(a, b history.Result) bool {
		return a.Deleted == b.Deleted && slices.Equal(a.Entries, b.Entries)
	})
}

func equalEvents(a, b []history.Event) bool { return slices.EqualFunc(a, b, history.Event.Equal) }
