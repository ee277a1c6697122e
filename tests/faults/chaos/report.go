package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/quoratedb/quorate/tests/faults/chaos/check"
	"github.com/quoratedb/quorate/tests/faults/chaos/history"
)

// longGap is from when on a time without a successful write is told.
const longGap = time.Second

// print writes the report, deletes the members' logs unless something failed, and reports whether nothing did.
func (r *round) print(out io.Writer, verdicts []check.Verdict, failure error) bool {
	fmt.Fprintf(out, "\n%s members of %s, seed %d, %v\n", r.options.members, r.server, r.seed, r.duration)
	for _, skipped := range r.skipped {
		fmt.Fprintf(out, "  NOT DONE: %s\n", skipped)
	}
	if r.faults != nil {
		r.printFaults(out)
	}
	if r.record != nil {
		r.printUse(out)
	}
	good := check.Print(out, verdicts) && failure == nil
	for _, death := range r.cluster.Deaths() {
		good = false
		fmt.Fprintf(out, "  FAILED  %s\n", death)
	}
	if failure != nil {
		fmt.Fprintf(out, "  FAILED  %v\n", failure)
	}
	if good {
		fmt.Fprintln(out, "  passed")
		os.RemoveAll(r.dir)
		return true
	}
	fmt.Fprintf(out, "  logs of members: %s\n  again: make chaos SEED=%d DURATION=%v MEMBERS=%s ONLY='%s' SERVER=%s OTHER=%s\n",
		r.dir, r.seed, r.duration, r.options.members, r.only, r.server, r.other)
	return false
}

func (r *round) printFaults(out io.Writer) {
	fmt.Fprintf(out, "  %d faults (from, until, until every member served again):\n", len(r.faults.Injected))
	for _, f := range r.faults.Injected {
		fmt.Fprintf(out, "    %6.1fs %6.1fs %6.1fs  %s: %s\n", f.Begin.Seconds(), f.Heal.Seconds(), f.Recovered.Seconds(), f.Name, f.Detail)
	}
}

func (r *round) printUse(out io.Writer) {
	unknown, writes, events := 0, 0, 0
	for i := range r.record.Operations {
		op := &r.record.Operations[i]
		if op.Outcome == history.Unknown {
			unknown++
		} else if op.Wrote() {
			writes++
		}
	}
	for _, w := range r.record.Watchers {
		events += len(w.Events)
	}
	fmt.Fprintf(out, "  %d operations, of them %d writes and %d without an answer; %d requests failed; %d leases; %d events at %d watchers\n",
		len(r.record.Operations), writes, unknown, len(r.record.Failures), len(r.record.Leases), events, len(r.record.Watchers))
	if r.users {
		r.printUsers(out)
	}
	fmt.Fprintf(out, "  without a successful write for more than %v:", longGap)
	gaps := gaps(r.record.Operations, time.Duration(0), r.calm[len(r.calm)-1].Begin)
	for _, gap := range gaps {
		fmt.Fprintf(out, " %.1fs at %.0fs;", (gap.End - gap.Begin).Seconds(), gap.Begin.Seconds())
	}
	if len(gaps) == 0 {
		fmt.Fprint(out, " never")
	}
	fmt.Fprintln(out)
}

// printUsers tells what users did whose rights changed.
func (r *round) printUsers(out io.Writer) {
	open, ended, refused := 0, 0, 0
	for _, change := range r.record.RightChanges {
		if change.Outcome == history.Unknown {
			open++
		}
	}
	ends := map[history.Access]int{}
	for i := range r.record.UserRequests {
		ends[r.record.UserRequests[i].Access]++
	}
	for i := range r.record.UserWatches {
		switch w := &r.record.UserWatches[i]; {
		case w.Denied && w.Created:
			ended++
		case w.Denied:
			refused++
		}
	}
	fmt.Fprintf(out, "  %d grants and revokes, of them %d without an answer; users had %d requests answered, %d denied, %d failed; of %d watches %d were ended and %d refused\n",
		len(r.record.RightChanges), open, ends[history.Allowed], ends[history.Denied], ends[history.Undetermined],
		len(r.record.UserWatches), ended, refused)
}

// gaps are the stretches, longer than longGap, in which no write was answered with success.
func gaps(ops []history.Operation, begin, end time.Duration) []history.Calm {
	times := []time.Duration{begin, end}
	for i := range ops {
		if ops[i].Outcome == history.Answered && ops[i].Wrote() && ops[i].Return < end {
			times = append(times, ops[i].Return)
		}
	}
	slices.Sort(times)
	var all []history.Calm
	for i := 1; i < len(times); i++ {
		if times[i]-times[i-1] > longGap {
			all = append(all, history.Calm{Begin: times[i-1], End: times[i]})
		}
	}
	return all
}
