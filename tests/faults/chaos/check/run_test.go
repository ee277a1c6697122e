package check

import (
	"context"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/quoratedb/quorate/tests/faults/chaos/history"
)

// run is a small history that a correct store gives, for tests to break.
type run struct {
	states   []history.MemberState
	ops      []history.Operation
	watchers []history.Watcher
	leases   []history.Lease
	calm     []history.Calm
	failures []history.Failure
	outages  []history.Outage
}

// Names of what the run writes.
var (
	first   = history.Entry{Key: "a", Value: "1", Create: 2, Mod: 2, Version: 1}
	second  = history.Entry{Key: "a", Value: "2", Create: 2, Mod: 3, Version: 2}
	beside  = history.Entry{Key: "b", Value: "3", Create: 3, Mod: 3, Version: 1}
	leasedA = history.Entry{Key: "l/a", Value: "4", Create: 5, Mod: 5, Version: 1, Lease: 7}
	leasedB = history.Entry{Key: "l/b", Value: "5", Create: 5, Mod: 5, Version: 1, Lease: 7}
	last    = history.Entry{Key: "z", Value: "6", Create: 7, Mod: 7, Version: 1}
)

const (
	leaseTTL  = 2 * time.Second
	leaseTime = 1 * time.Second // when it was granted
	goneTime  = leaseTime + leaseTTL + time.Second
)

func put(e history.Entry) history.Step {
	return history.Step{Kind: history.Put, Key: e.Key, Value: e.Value, Lease: e.Lease}
}

func removal(prev history.Entry, mod int64) history.Event {
	return history.Event{Delete: true, Entry: history.Entry{Key: prev.Key, Mod: mod}, Prev: &prev}
}

// answered makes an operation with an answer between two moments, in milliseconds.
func answered(call, back int, revision int64, results []history.Result, steps ...history.Step) history.Operation {
	return history.Operation{
		Call: time.Duration(call) * time.Millisecond, Return: time.Duration(back) * time.Millisecond,
		Then: steps, Succeeded: true, Revision: revision, Results: results,
	}
}

func stored() history.Stored {
	return history.Stored{
		{Number: 2, Events: []history.Event{{Entry: first}}},
		{Number: 3, Events: []history.Event{{Entry: second, Prev: new(first)}, {Entry: beside}}},
		{Number: 4, Events: []history.Event{removal(second, 4)}},
		{Number: 5, Events: []history.Event{{Entry: leasedA}, {Entry: leasedB}}},
		{Number: 6, Events: []history.Event{removal(leasedA, 6), removal(leasedB, 6)}},
		{Number: 7, Events: []history.Event{{Entry: last}}},
	}
}

// good is a run of every kind of operation. Each call makes a copy.
func good() *run {
	none, get := []history.Result{{}}, history.Step{Kind: history.Get, Key: "a"}
	r := &run{
		ops: []history.Operation{
			answered(0, 10, 2, none, put(first)),
			answered(20, 30, 2, []history.Result{{Entries: []history.Entry{first}}}, get),
			answered(40, 50, 3, []history.Result{{Entries: []history.Entry{first}}, {}}, put(second), put(beside)),
			answered(60, 70, 3, []history.Result{{Entries: []history.Entry{second}}}, get),
			answered(80, 90, 4, []history.Result{{Entries: []history.Entry{second}, Deleted: 1}}, history.Step{Kind: history.Delete, Key: "a"}),
			answered(100, 110, 4, none, get),
			{
				Call: 120 * time.Millisecond, Return: 125 * time.Millisecond, Conditions: []history.Condition{{Key: "a", Mod: 3}},
				Then: []history.Step{put(history.Entry{Key: "a", Value: "7"})}, Else: []history.Step{get}, Revision: 4, Results: none,
			},
			{Call: 130 * time.Millisecond, Return: 900 * time.Millisecond, Outcome: history.Unknown, Then: []history.Step{put(leasedA), put(leasedB)}},
			answered(5000, 5010, 7, none, put(last)),
		},
		leases: []history.Lease{{
			ID: 7, TTL: leaseTTL, Keys: []string{"l/a", "l/b"}, Touched: leaseTime,
			Renewals: []history.Renewal{{Call: leaseTime, Return: leaseTime, TTL: leaseTTL}},
		}},
		calm: []history.Calm{{End: time.Minute}},
		failures: []history.Failure{
			{Request: "get", Endpoint: "m1", Call: time.Second, Return: 9 * time.Second, Error: rpctypes.ErrTimeout},
			{Request: "get", Endpoint: "m1", Call: time.Second, Return: 2 * time.Second, Error: status.Error(codes.Unavailable, "connection refused")},
			{Request: "get", Endpoint: "m1", Call: time.Second, Return: 3 * time.Second, Error: context.DeadlineExceeded},
			{Request: "get", Endpoint: "m2", Call: time.Second, Return: 16 * time.Second, Error: context.DeadlineExceeded, Abandoned: true},
			{Request: "get", Call: time.Second, Return: 16 * time.Second, Error: context.DeadlineExceeded, Abandoned: true},
		},
		outages: []history.Outage{{Endpoint: "m2", Begin: 10 * time.Second, End: 20 * time.Second}},
	}
	w := history.Watcher{Name: "w", From: 1, Reached: 7}
	for i, revision := range stored() {
		for _, e := range revision.Events {
			w.Events = append(w.Events, history.Seen{Event: e, Response: i, At: goneTime})
		}
	}
	w.Progress = []history.Progress{{Revision: 3, Events: 3}}
	r.watchers = []history.Watcher{w}
	for _, member := range []string{"m1", "m2"} {
		r.states = append(r.states, history.MemberState{
			Member: member, Revision: 7, Hash: 1, Entries: []history.Entry{beside, last}, Members: []uint64{1, 2}, Stored: stored(),
		})
	}
	return r
}

// judge runs all checks and returns what they say, by check.
func (r *run) judge() map[string]Verdict {
	all := r.states[0].Stored
	operations, placed := Operations(all, r.ops)
	return map[string]Verdict{
		"history":    History(r.states),
		"operations": operations,
		"order":      Order(r.ops, placed),
		"porcupine":  Linearizable(r.ops, placed, time.Minute),
		"watches":    Watches(all, r.watchers),
		"leases":     Leases(r.leases, r.watchers, r.calm),
		"end":        NoLeases(r.states),
		"errors":     Failures(r.failures, r.outages, len(r.ops)+len(r.failures)),
	}
}
