package check

import (
	"time"

	"github.com/quoratedb/quorate/tests/faults/chaos/history"
)

// ExpiryAllowance is how much later than its time a lease may end in an undisturbed cluster: etcd looks every half second, and
// a member that takes over the leases lets them live for their whole time again, which begins up to an election before it serves.
const ExpiryAllowance = 3 * time.Second

// Leases checks that no lease ended before its time since its last renewal was over, unless its holder revoked it; that
// each that was left to itself did end once the cluster was undisturbed for its time and ExpiryAllowance; and that all keys of a lease
// went at once. Calm stretches must be ordered.
func Leases(leases []history.Lease, watchers []history.Watcher, calm []history.Calm) Verdict {
	v := Verdict{Name: "leases: none early, none late, none by half", What: "leases", Checked: len(leases)}
	gone := firstSeenGone(watchers)
	for i := range leases {
		l := &leases[i]
		early(&v, l, gone)
		late(&v, l, gone, calm)
		whole(&v, l, gone)
	}
	return v
}

// deletion is when any watcher first knew of a key's end, and at which revision it was.
type deletion struct {
	at       time.Duration
	revision int64
}

func firstSeenGone(watchers []history.Watcher) map[string]deletion {
	gone := map[string]deletion{}
	for i := range watchers {
		for _, seen := range watchers[i].Events {
			if !seen.Delete {
				continue
			}
			if d, known := gone[seen.Key]; !known || seen.At < d.at {
				gone[seen.Key] = deletion{at: seen.At, revision: seen.Mod}
			}
		}
	}
	return gone
}

// early compares each time at which the lease was known to be gone with each renewal: the store renewed it after the call, so that it must have
// lived for its time from the call on.
func early(v *Verdict, l *history.Lease, gone map[string]deletion) {
	known := append([]time.Duration(nil), l.Gone...)
	for _, key := range l.Keys {
		if d, deleted := gone[key]; deleted {
			known = append(known, d.at)
		}
	}
	for _, at := range known {
		if l.Revoked && at >= l.RevokeCall {
			continue
		}
		for _, r := range l.Renewals {
			if until := r.Call + r.TTL; at < until {
				v.violation("lease %x was gone at %v, though it was renewed at %v and lives for %v", l.ID, at, r.Call, r.TTL)
				return
			}
		}
	}
}

// late finds the first calm stretch that is long enough for the lease to end in.
func late(v *Verdict, l *history.Lease, gone map[string]deletion, calm []history.Calm) {
	for _, c := range calm {
		deadline := max(c.Begin, l.Touched) + l.TTL + ExpiryAllowance
		if deadline > c.End {
			continue
		}
		for _, key := range l.Keys {
			if d, deleted := gone[key]; deleted && d.at > deadline {
				v.violation("%s of lease %x ended at %v, it was last touched at %v, lives for %v, and all was calm from %v on",
					key, l.ID, d.at, l.Touched, l.TTL, c.Begin)
			}
		}
		return
	}
}

func whole(v *Verdict, l *history.Lease, gone map[string]deletion) {
	for _, key := range l.Keys[min(1, len(l.Keys)):] {
		if gone[l.Keys[0]].revision != gone[key].revision {
			v.violation("the keys of lease %x ended at revisions %d and %d", l.ID, gone[l.Keys[0]].revision, gone[key].revision)
		}
	}
}

// NoLeases checks that nothing of any lease is left in the end, when all have had the time to go.
func NoLeases(states []history.MemberState) Verdict {
	v := Verdict{Name: "no lease outlives the run", What: "members", Checked: len(states)}
	for _, state := range states {
		if len(state.Leases) > 0 {
			v.violation("%s still has leases %x", state.Member, state.Leases)
		}
		for _, e := range state.Entries {
			if e.Lease != 0 {
				v.violation("%s still has key %s of lease %x", state.Member, e.Key, e.Lease)
			}
		}
	}
	return v
}
