package check

import (
	"strings"

	"github.com/quoratedb/quorate/tests/faults/chaos/history"
)

// Watches checks that each watcher was shown every event of its prefix, once, in order, all of a revision in one
// message, with the right state before, over all its sessions; and that no word of progress was given too early.
func Watches(stored history.Stored, watchers []history.Watcher) Verdict {
	v := Verdict{Name: "watches: ordered, once, complete, atomic, prev_kv", What: "events"}
	for i := range watchers {
		w := &watchers[i]
		v.Checked += len(w.Events)
		for _, err := range w.Errors {
			v.violation("%s: %s", w.Name, err)
		}
		compareSeen(&v, stored, w)
		atomic(&v, w)
		for _, p := range w.Progress {
			if p.Events < len(w.Events) && w.Events[p.Events].Mod <= p.Revision {
				v.violation("%s: progress to revision %d was announced before %v came", w.Name, p.Revision, w.Events[p.Events].Event)
			}
		}
	}
	return v
}

// compareSeen walks what a watcher must be and what it was shown side by side, and stops at the first difference.
func compareSeen(v *Verdict, stored history.Stored, w *history.Watcher) {
	seen := w.Events
	for _, revision := range stored {
		for _, e := range revision.Events {
			if revision.Number < w.From || !strings.HasPrefix(e.Key, w.Prefix) {
				continue
			}
			if len(seen) == 0 {
				if revision.Number <= w.Reached {
					v.violation("%s: was not shown %v and what follows, up to revision %d", w.Name, e, w.Reached)
				}
				return
			}
			if !seen[0].Equal(e) {
				v.violation("%s: was shown %v instead of %v", w.Name, seen[0].Event, e)
				return
			}
			seen = seen[1:]
		}
	}
	if len(seen) > 0 {
		v.violation("%s: was shown %v, which is not in the history", w.Name, seen[0].Event)
	}
}

func atomic(v *Verdict, w *history.Watcher) {
	for i := 1; i < len(w.Events); i++ {
		a, b := w.Events[i-1], w.Events[i]
		if a.Mod == b.Mod && a.Response != b.Response {
			v.violation("%s: revision %d came in two messages", w.Name, a.Mod)
		}
	}
}
