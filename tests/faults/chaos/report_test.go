package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/quoratedb/quorate/tests/faults/chaos/history"
)

// Goal: the report tells each time without a successful write, at the begin and the end of a run too, and no other. Method: a few operations.
func TestGaps(t *testing.T) {
	put := []history.Step{{Kind: history.Put, Key: "a"}}
	at := func(seconds float64, outcome history.Outcome, steps []history.Step) history.Operation {
		return history.Operation{
			Return: time.Duration(seconds * float64(time.Second)), Outcome: outcome, Succeeded: true, Then: steps, Results: []history.Result{{}},
		}
	}
	ops := []history.Operation{
		at(2, history.Answered, put),
		at(2.5, history.Answered, put),
		at(3.2, history.Unknown, put),
		at(3.4, history.Answered, []history.Step{{Kind: history.Get, Key: "a"}}),
		at(4, history.Answered, put),
		at(20, history.Answered, put),
	}
	require.Equal(t, []history.Calm{
		{Begin: 0, End: 2 * time.Second},
		{Begin: 2500 * time.Millisecond, End: 4 * time.Second},
		{Begin: 4 * time.Second, End: 6 * time.Second},
	}, gaps(ops, 0, 6*time.Second))
}
