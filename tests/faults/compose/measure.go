package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/quoratedb/quorate/tests/faults/chaos/history"
	"github.com/quoratedb/quorate/tests/faults/chaos/workload"
)

// outage is what clients noticed of a fault.
type outage struct {
	// write, read and renewal are the longest times without a successful one of any client.
	write, read, renewal time.Duration
	// event is by how much the latest event came later than the answer to its write, at any watcher that does not change its stream by itself.
	event time.Duration
	// whole is from the mending until everything was well.
	whole time.Duration
}

// moments are when what counts was answered, ordered.
type moments struct {
	writes, reads, renewals []time.Duration
	// late are events that came after the answer to their write: when that was, and by how much.
	late []lateness
}

type lateness struct{ at, by time.Duration }

func newMoments(record *workload.Record) moments {
	var m moments
	answered := map[int64]time.Duration{} // by revision
	for i := range record.Operations {
		op := &record.Operations[i]
		switch {
		case op.Outcome != history.Answered:
		case op.Wrote():
			m.writes = append(m.writes, op.Return)
			answered[op.Revision] = op.Return
		case !op.Serializable:
			m.reads = append(m.reads, op.Return)
		}
	}
	for i := range record.Leases {
		for _, renewal := range record.Leases[i].Renewals {
			m.renewals = append(m.renewals, renewal.Return)
		}
	}
	for i := range record.Watchers {
		if strings.HasPrefix(record.Watchers[i].Name, "moves") {
			continue
		}
		for _, seen := range record.Watchers[i].Events {
			if at, known := answered[seen.Mod]; known {
				m.late = append(m.late, lateness{at, max(0, seen.At-at)})
			}
		}
	}
	slices.Sort(m.writes)
	slices.Sort(m.reads)
	slices.Sort(m.renewals)
	slices.SortFunc(m.late, func(a, b lateness) int { return cmp.Compare(a.at, b.at) })
	return m
}

// of is what was noticed of one fault: of what began before everything was well again.
func (m *moments) of(f injected) outage {
	o := outage{
		write: longest(m.writes, f.begin, f.recovered), read: longest(m.reads, f.begin, f.recovered),
		renewal: longest(m.renewals, f.begin, f.recovered), whole: f.recovered - f.heal,
	}
	for _, l := range m.late {
		if l.at >= f.begin && l.at <= f.recovered {
			o.event = max(o.event, l.by)
		}
	}
	return o
}

// longest is the longest time between two of the ordered times, of those that touch a stretch.
func longest(times []time.Duration, begin, end time.Duration) time.Duration {
	first, _ := slices.BinarySearch(times, begin)
	last, _ := slices.BinarySearch(times, end)
	var worst time.Duration
	for i := max(first, 1); i <= min(last, len(times)-1); i++ {
		worst = max(worst, times[i]-times[i-1])
	}
	return worst
}

// table writes the outages of all faults, the worst of each kind of container.
func table(w io.Writer, faults []injected, m moments) {
	type row struct{ fault, service string }
	worst, times := map[row]outage{}, map[row]int{}
	for _, f := range faults {
		k := row{f.name, kind(f.service)}
		o, seen := m.of(f), worst[k]
		worst[k] = outage{
			max(o.write, seen.write), max(o.read, seen.read), max(o.renewal, seen.renewal),
			max(o.event, seen.event), max(o.whole, seen.whole),
		}
		times[k]++
	}
	rows := slices.SortedFunc(maps.Keys(worst), func(a, b row) int {
		return cmp.Or(strings.Compare(a.service, b.service), strings.Compare(a.fault, b.fault))
	})
	out := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(out, "  container\tfault\ttimes\tno write\tno read\tno keep-alive\tevents late by\tall well after")
	for _, k := range rows {
		o := worst[k]
		fmt.Fprintf(out, "  %s\t%s\t%d\t%.1f s\t%.1f s\t%.1f s\t%.1f s\t%.1f s\n", k.service, k.fault, times[k],
			o.write.Seconds(), o.read.Seconds(), o.renewal.Seconds(), o.event.Seconds(), o.whole.Seconds())
	}
	out.Flush()
}
