package check

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/quoratedb/quorate/tests/faults/chaos/history"
)

// Goal: a history that is right passes every check. Method: the one that the other tests break.
func TestGoodHistoryPasses(t *testing.T) {
	for name, v := range good().judge() {
		require.Empty(t, v.Violations, name)
		require.False(t, v.Failed(), name)
		require.NotZero(t, v.Checked, name)
	}
}

// broken is one way in which a store fails, made of the good history.
type broken struct {
	name  string
	wreck func(*run)
	// fails names the check that must say so, in words that contain says.
	fails, says string
}

func refuse(t *testing.T, cases []broken) {
	for _, c := range cases {
		t.Run(strings.ReplaceAll(c.name, " ", "-"), func(t *testing.T) {
			r := good()
			c.wreck(r)
			v := r.judge()[c.fails]
			require.True(t, v.Failed())
			require.Contains(t, strings.Join(v.Violations, "\n"), c.says)
		})
	}
}

// everywhere changes what all members tell.
func (r *run) everywhere(change func(*history.MemberState)) {
	for i := range r.states {
		change(&r.states[i])
	}
}

// Goal: what clients were told and the store does not keep, or the other way round, is found. Method: break operations.
func TestOperationsThatNoStoreMayAnswer(t *testing.T) {
	refuse(t, []broken{
		{"lost write", func(r *run) {
			r.ops = append(r.ops, answered(6000, 6010, 8, []history.Result{{}}, put(history.Entry{Key: "a", Value: "8"})))
		}, "operations", "lost write"},
		{"lost write whose revision another has", func(r *run) {
			r.ops = append(r.ops, answered(200, 210, 5, []history.Result{{}}, put(history.Entry{Key: "a", Value: "8"})))
		}, "operations", "lost write"},
		{"two writes at one revision", func(r *run) {
			r.ops = append(r.ops, answered(6000, 6010, 7, []history.Result{{}}, put(history.Entry{Key: "a", Value: "8"})))
		}, "operations", "claim revision 7"},
		{"write that happens twice", func(r *run) {
			again := history.Entry{Key: "z", Value: "6", Create: 7, Mod: 8, Version: 2}
			r.everywhere(func(s *history.MemberState) {
				s.Stored = append(s.Stored, history.Revision{Number: 8, Events: []history.Event{{Entry: again, Prev: new(last)}}})
			})
		}, "operations", "happened twice"},
		{"write that nobody asked for", func(r *run) {
			r.ops = slices.Delete(r.ops, 8, 9)
		}, "operations", "nobody asked"},
		{"half of a transaction", func(r *run) {
			r.everywhere(func(s *history.MemberState) { s.Stored[1].Events = s.Stored[1].Events[:1] })
		}, "operations", "but should hold"},
		{"half of an expiry", func(r *run) {
			r.everywhere(func(s *history.MemberState) { s.Stored[4].Events = s.Stored[4].Events[:1] })
		}, "operations", "nobody asked"},
		{"answer of another state", func(r *run) {
			r.ops[3].Results = []history.Result{{Entries: []history.Entry{first}}}
		}, "operations", "wrong answer"},
		{"wrong prev_kv in an answer", func(r *run) {
			r.ops[2].Results = []history.Result{{}, {}}
		}, "operations", "wrong answer"},
		{"swap that wins against its condition", func(r *run) {
			r.ops[6].Succeeded, r.ops[6].Revision = true, 5
		}, "operations", "lost write"},
		{"serializable read of no state", func(r *run) {
			r.ops[1].Serializable, r.ops[1].Results = true, []history.Result{{}}
		}, "operations", "wrong answer"},
		{"read of the future", func(r *run) { r.ops[5].Revision = 9 }, "operations", "read at revision 9"},
	})
}

// Goal: answers that are true of a moment that has passed are found, with and without believing in revisions. Method: stale reads, late writes.
func TestAnswersOutOfTheirTime(t *testing.T) {
	stale := func(r *run) {
		r.ops[3].Revision, r.ops[3].Results = 2, []history.Result{{Entries: []history.Entry{first}}}
	}
	refuse(t, []broken{
		{"stale read", stale, "order", "though 3 was answered before"},
		{"stale read, by search", stale, "porcupine", "no order explains"},
		{"write before one that was answered", func(r *run) {
			r.ops[8].Call, r.ops[8].Return = 0, 1
		}, "order", "though 7 was answered before"},
		{"unanswered write before its call", func(r *run) {
			r.ops[7].Call = 6 * time.Second
		}, "order", "at revision 5"},
	})
	r := good()
	stale(r)
	r.ops[3].Serializable = true
	for _, name := range []string{"operations", "order", "porcupine"} {
		v := r.judge()[name]
		require.Empty(t, v.Violations, "a serializable read may be stale")
	}
}

// Goal: members that disagree, and a store that contradicts itself, are found. Method: break what members tell in the end.
func TestMembersThatDisagree(t *testing.T) {
	refuse(t, []broken{
		{"hash", func(r *run) { r.states[1].Hash = 2 }, "history", "different hashes"},
		{"members", func(r *run) { r.states[1].Members = []uint64{1} }, "history", "has members"},
		{"leases", func(r *run) { r.states[1].Leases = []int64{7} }, "history", "has leases"},
		{"alarm", func(r *run) { r.states[1].Alarms = []string{"CORRUPT of member 2"} }, "history", "CORRUPT"},
		{"keys", func(r *run) { r.states[1].Entries = r.states[1].Entries[:1] }, "history", "not what its history leads to"},
		{"histories", func(r *run) { r.states[1].Stored[0].Events[0].Value = "0" }, "history", "m2 tells"},
		{"missing revision", func(r *run) {
			r.everywhere(func(s *history.MemberState) { s.Stored = slices.Delete(s.Stored, 3, 5) })
		}, "history", "revision 7 follows 4"},
		{"wrong prev_kv", func(r *run) {
			r.everywhere(func(s *history.MemberState) { s.Stored[1].Events[0].Prev = nil })
		}, "history", "wrong prev_kv"},
		{"wrong version", func(r *run) {
			r.everywhere(func(s *history.MemberState) { s.Stored[1].Events[0].Version = 7 })
		}, "history", "does not follow"},
		{"lease that stays", func(r *run) { r.states[0].Leases = []int64{7} }, "end", "still has leases"},
		{"key of a lease that stays", func(r *run) { r.states[0].Entries = append(r.states[0].Entries, leasedA) }, "end", "still has key"},
	})
}

// Goal: every way in which a watch may go wrong is found. Method: break what the watcher was shown.
func TestWatchesThatGoWrong(t *testing.T) {
	events := func(change func([]history.Seen) []history.Seen) func(*run) {
		return func(r *run) { r.watchers[0].Events = change(r.watchers[0].Events) }
	}
	refuse(t, []broken{
		{"lost event", events(func(e []history.Seen) []history.Seen { return slices.Delete(e, 3, 4) }), "watches", "instead of"},
		{"lost last event", events(func(e []history.Seen) []history.Seen { return e[:len(e)-1] }), "watches", "was not shown"},
		{"duplicated event", events(func(e []history.Seen) []history.Seen { return slices.Insert(e, 3, e[3]) }), "watches", "instead of"},
		{"reordered events", events(func(e []history.Seen) []history.Seen {
			e[2], e[3] = e[3], e[2]
			return e
		}), "watches", "instead of"},
		{"split revision", events(func(e []history.Seen) []history.Seen {
			e[2].Response = 100
			return e
		}), "watches", "came in two messages"},
		{"wrong prev_kv", events(func(e []history.Seen) []history.Seen {
			e[1].Prev = &beside
			return e
		}), "watches", "instead of"},
		{"missing prev_kv", events(func(e []history.Seen) []history.Seen {
			e[1].Prev = nil
			return e
		}), "watches", "instead of"},
		{"invented event", events(func(e []history.Seen) []history.Seen {
			return append(e, history.Seen{Event: removal(last, 8)})
		}), "watches", "not in the history"},
		{"event outside the prefix", func(r *run) { r.watchers[0].Prefix = "l/" }, "watches", "instead of"},
		{"progress too early", func(r *run) { r.watchers[0].Progress[0].Revision = 4 }, "watches", "was announced before"},
		{"compacted", func(r *run) { r.watchers[0].Errors = []string{"compacted"} }, "watches", "compacted"},
	})
}

// Goal: leases that end too early, too late or by half are found, and no others. Method: move the times.
func TestLeasesThatGoWrong(t *testing.T) {
	seenGone := func(at time.Duration) func(*run) {
		return func(r *run) {
			for i := range r.watchers[0].Events {
				r.watchers[0].Events[i].At = at
			}
		}
	}
	refuse(t, []broken{
		{"expired early", seenGone(leaseTime + leaseTTL - 1), "leases", "was gone at"},
		{"refused early", func(r *run) { r.leases[0].Gone = []time.Duration{leaseTime + leaseTTL - 1} }, "leases", "was gone at"},
		{"alive after its end", func(r *run) {
			r.leases[0].Renewals = append(r.leases[0].Renewals, history.Renewal{Call: goneTime + time.Second, Return: goneTime + time.Second, TTL: leaseTTL})
		}, "leases", "was gone at"},
		{"revoked before it was asked", func(r *run) {
			r.leases[0].Revoked, r.leases[0].RevokeCall = true, leaseTime+time.Second
			seenGone(leaseTime + time.Second - 1)(r)
		}, "leases", "was gone at"},
		{"alive too long", seenGone(leaseTime + leaseTTL + ExpiryAllowance + 1), "leases", "all was calm"},
		{"ended by half", func(r *run) { r.watchers[0].Events[6].Mod = 7 }, "leases", "ended at revisions"},
	})
	for name, fine := range map[string]func(*run){
		"revoked": func(r *run) {
			r.leases[0].Revoked, r.leases[0].RevokeCall = true, leaseTime
			seenGone(leaseTime + 1)(r)
		},
		"late, but nothing was calm": func(r *run) {
			r.calm = []history.Calm{{End: 4 * time.Second}, {Begin: 5 * time.Second, End: 8 * time.Second}}
			seenGone(20 * time.Second)(r)
		},
	} {
		r := good()
		fine(r)
		v := r.judge()["leases"]
		require.Empty(t, v.Violations, name)
	}
}

// Goal: requests that hang, and errors that are none of etcd's, are found. Method: change how requests ended.
func TestFailuresThatNoServerMayGive(t *testing.T) {
	refuse(t, []broken{
		{"no answer of a member that runs", func(r *run) { r.outages = nil }, "errors", "though the member ran"},
		{"no answer after the outage", func(r *run) { r.outages[0].Begin, r.outages[0].End = 0, time.Second }, "errors", "though the member ran"},
		{"no answer during the outage of another", func(r *run) { r.outages[0].Endpoint = "m1" }, "errors", "though the member ran"},
		{"error that is nobody's", func(r *run) { r.failures[0].Error = status.Error(codes.Unknown, "reach the leader: EOF") }, "errors", "EOF"},
		{"cancelled, but not by the client", func(r *run) { r.failures[0].Error = rpctypes.Error(rpctypes.ErrGRPCCanceled) }, "errors", "request canceled"},
		{"error of another kind", func(r *run) { r.failures[0].Error = rpctypes.ErrEmptyKey }, "errors", "key is not provided"},
	})
}
