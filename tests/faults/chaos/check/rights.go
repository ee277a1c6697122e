package check

import (
	"strings"
	"time"

	"github.com/quoratedb/quorate/tests/faults/chaos/history"
)

// WatchEndAllowance is how long a watch may go on, in an undisturbed cluster, after the right to it is certainly gone.
const WatchEndAllowance = 3 * time.Second

// Rights checks the requests of users: none was answered that lies wholly in a time in which its right was certainly gone, none was denied that lies
// wholly in one in which it was certainly there, and nothing that was denied is in the stored history. Calm stretches must be ordered.
func Rights(stored history.Stored, changes []history.RightChange, requests []history.UserRequest, calm []history.Calm) Verdict {
	v := Verdict{Name: "users: denied without the right, answered with it", What: "requests while the right was certainly there or gone"}
	values := map[string]int64{}
	for _, revision := range stored {
		for _, e := range revision.Events {
			if !e.Delete {
				values[e.Value] = revision.Number
			}
		}
	}
	certain := newCertainties(changes, calm)
	refused, served := 0, 0
	for i := range requests {
		r := &requests[i]
		if r.Access == history.Undetermined {
			continue
		}
		if r.Access == history.Denied {
			deniedWrite(&v, r, values)
		}
		if s, gone := certain.whole(r.Right, false, r.Operation.Call, r.Operation.Return); gone {
			refused++
			if r.Access == history.Allowed {
				v.violation("%s was answered without the right, which was gone from %v to %v: %v", r.User, s.begin, s.end, &r.Operation)
			}
		}
		if s, there := certain.whole(r.Right, true, r.Operation.Call, r.Operation.Return); there {
			served++
			if r.Access == history.Denied {
				v.violation("%s was denied what he had the right to from %v to %v: %v", r.User, s.begin, s.end, &r.Operation)
			}
		}
	}
	v.Checked = refused + served
	if refused == 0 || served == 0 {
		v.Undecided = "no request lies wholly in a time in which its right was certainly there, or none in one in which it was gone"
	}
	return v
}

// deniedWrite looks for what a denied request would have written.
func deniedWrite(v *Verdict, r *history.UserRequest, values map[string]int64) {
	for _, steps := range [][]history.Step{r.Operation.Then, r.Operation.Else} {
		for _, step := range steps {
			if step.Kind != history.Put {
				continue
			}
			if revision, there := values[step.Value]; there {
				v.violation("%s was denied, and wrote revision %d all the same: %v", r.User, revision, &r.Operation)
			}
		}
	}
}

// UserWatches checks the watches of users: none is shown an event whose write began after the revoke of the right was acknowledged, up to the next grant, and a
// watch of before the revoke none after that either; and none goes on for longer than WatchEndAllowance in a calm without the right. Where
// operations took effect is what Operations says.
func UserWatches(placed Placements, changes []history.RightChange, watches []history.UserWatch, calm []history.Calm) Verdict {
	v := Verdict{Name: "watches of users: end with the right, show no more", What: "events"}
	writes := map[int64]*history.Operation{}
	for op, placement := range placed {
		if op.Outcome == history.Unknown || op.Wrote() {
			writes[placement.Revision] = op
		}
	}
	certain := newCertainties(changes, calm)
	for i := range watches {
		w := &watches[i]
		v.Checked += len(w.Events)
		gone := certain.of(w.Right, false)
		for _, seen := range w.Events {
			if !strings.HasPrefix(seen.Key, w.Prefix) {
				v.violation("%v: was shown %v", w, seen.Event)
			}
			if op := writes[seen.Mod]; op != nil {
				shown(&v, w, seen, op, gone)
			}
		}
		outlived(&v, w, gone, calm)
	}
	return v
}

// shown checks one event, which an operation wrote, against the times in which the right was gone. A member that lags behind comes to the revoke before it
// comes to what was written after it, so that it makes no difference which member showed the event, or when.
func shown(v *Verdict, w *history.UserWatch, seen history.Seen, op *history.Operation, gone []stretch) {
	for _, s := range gone {
		if op.Call <= s.begin {
			continue
		}
		before := w.Created && w.CreatedAt < s.begin
		within := op.Outcome == history.Answered && op.Return < s.end
		if before || within || seen.At < s.end {
			v.violation("%v: was shown %v at %v, the right was gone from %v to %v: %v", w, seen.Event, seen.At, s.begin, s.end, op)
			return
		}
	}
}

// outlived checks that a watch does not go on without the right while nothing disturbs the cluster.
func outlived(v *Verdict, w *history.UserWatch, gone []stretch, calm []history.Calm) {
	if !w.Created {
		return
	}
	for _, s := range gone {
		for _, c := range calm {
			from, until := max(w.CreatedAt, s.begin, c.Begin), min(w.End, s.end, c.End)
			if until-from > WatchEndAllowance {
				v.violation("%v: went on for %v without the right, which was gone from %v to %v", w, until-from, s.begin, s.end)
				return
			}
		}
	}
}
