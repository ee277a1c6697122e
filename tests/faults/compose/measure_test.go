package main

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/quoratedb/quorate/tests/faults/chaos/history"
	"github.com/quoratedb/quorate/tests/faults/chaos/workload"
)

// write is an answered put that made a revision.
func write(at time.Duration, revision int64) history.Operation {
	return history.Operation{Return: at, Revision: revision, Succeeded: true, Then: []history.Step{{Kind: history.Put, Key: "a"}}, Results: []history.Result{{}}}
}

func read(at time.Duration) history.Operation {
	return history.Operation{Return: at, Succeeded: true, Then: []history.Step{{Kind: history.Get, Key: "a"}}, Results: []history.Result{{}}}
}

func seen(at time.Duration, revision int64) history.Seen {
	return history.Seen{Event: history.Event{Entry: history.Entry{Key: "a", Mod: revision}}, At: at}
}

// Goal: the table tells what clients noticed of a fault, no less and of no other. Method: a history with one gap of each kind, a fault that it belongs to, and
// one before it that nobody noticed.
func TestOutagesAreMeasured(t *testing.T) {
	const s = time.Second
	record := &workload.Record{
		Operations: []history.Operation{
			write(1*s, 2), read(1 * s), write(2*s, 3), read(2 * s), write(3*s, 4), read(3 * s), // the first fault is from 1 to 3
			{Return: 5 * s, Outcome: history.Unknown}, write(9*s, 5), read(7 * s), write(10*s, 6), read(10 * s),
		},
		Leases: []history.Lease{{Renewals: []history.Renewal{{Return: 2 * s}, {Return: 4 * s}, {Return: 9 * s}}}},
		Watchers: []history.Watcher{
			{Name: "stays", Events: []history.Seen{seen(1*s, 2), seen(3*s, 4), seen(10*s+s/2, 5)}},
			{Name: "moves", Events: []history.Seen{seen(60*s, 4)}},
		},
	}
	m := newMoments(record)
	require.Equal(t, outage{write: 1 * s, read: 1 * s, renewal: 2 * s, whole: s / 2}, m.of(injected{begin: 1 * s, heal: 2*s + s/2, recovered: 3 * s}))
	second := injected{name: "kill", service: "consensus-2", begin: 4 * s, heal: 8 * s, recovered: 10 * s}
	require.Equal(t, outage{write: 6 * s, read: 4 * s, renewal: 5 * s, event: s + s/2, whole: 2 * s}, m.of(second))
	var out strings.Builder
	table(&out, []injected{second}, m)
	require.Contains(t, strings.Join(strings.Fields(out.String()), " "), "consensus kill 1 6.0 s 4.0 s 5.0 s 1.5 s 2.0 s")
}
