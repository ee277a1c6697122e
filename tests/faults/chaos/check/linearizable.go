package check

import (
	"fmt"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/quoratedb/quorate/tests/faults/chaos/history"
)

// register is one key as porcupine sees it; the zero register is a key that is not there.
type register struct {
	value string
	mod   int64
}

// access is what an operation does to one key. A transaction gives one for each of its keys.
type access struct {
	// expects is what the key is known to have been, if it is known.
	expects *register
	// becomes is what the key is afterwards, if it is written.
	becomes *register
}

// keyModel is one key under accesses with known answers.
var keyModel = porcupine.Model{
	Init: func() any { return register{} },
	Step: func(state, input, _ any) (bool, any) {
		a := input.(access)
		if a.expects != nil && *a.expects != state.(register) {
			return false, state
		}
		if a.becomes != nil {
			return true, *a.becomes
		}
		return true, state
	},
	DescribeOperation: func(input, _ any) string {
		a := input.(access)
		return fmt.Sprintf("%v to %v", a.expects, a.becomes)
	},
}

// Linearizable has porcupine look for an order of the accesses to each key that explains all answers and contradicts no
// clock. Unlike Operations and Order it does not use that revisions order the writes. It takes the unanswered operations as happened, at any time
// after their call, that have a place, and ignores the others. The search for all keys together is bounded by within.
func Linearizable(ops []history.Operation, placed Placements, within time.Duration) Verdict {
	v := Verdict{Name: "linearizable by porcupine, each key", What: "keys"}
	end := time.Duration(0)
	for i := range ops {
		end = max(end, ops[i].Return)
	}
	keys := map[string][]porcupine.Operation{}
	for i := range ops {
		op := &ops[i]
		place, took := placed[op]
		if !took && op.Outcome == history.Unknown || op.Serializable {
			continue
		}
		one := porcupine.Operation{ClientId: op.Client, Call: int64(op.Call), Return: int64(op.Return)}
		if op.Outcome == history.Unknown {
			one.Return = int64(end)
		}
		for key, a := range accesses(op, place) {
			one.Input = a
			keys[key] = append(keys[key], one)
		}
	}
	deadline := time.Now().Add(within)
	for key, accesses := range keys {
		v.Checked++
		switch porcupine.CheckOperationsTimeout(keyModel, accesses, max(time.Until(deadline), time.Millisecond)) {
		case porcupine.Illegal:
			v.violation("no order explains the %d operations on %s", len(accesses), key)
		case porcupine.Unknown:
			v.Undecided = fmt.Sprintf("the search was not over after %v", within)
		}
	}
	return v
}

// accesses takes an operation apart into what it says of each key. It believes the answer if there was one, else what the
// operation must have done at its place.
func accesses(op *history.Operation, place Placement) map[string]access {
	if op.Outcome == history.Answered {
		place = Placement{op.Revision, op.Succeeded, op.Results}
	}
	steps := op.Else
	if place.Succeeded {
		steps = op.Then
	}
	all := map[string]access{}
	for i, step := range steps {
		found := map[string]register{}
		if !step.Prefix {
			found[step.Key] = register{}
		}
		for _, e := range place.Results[i].Entries {
			found[e.Key] = register{e.Value, e.Mod}
		}
		for key, r := range found {
			// What a step finds that another wrote before it is no news.
			a, touched := all[key]
			if !touched && op.Outcome == history.Answered {
				a.expects = &r
			}
			switch step.Kind {
			case history.Put:
				a.becomes = &register{step.Value, place.Revision}
			case history.Delete:
				a.becomes = &register{}
			}
			all[key] = a
		}
	}
	return all
}
