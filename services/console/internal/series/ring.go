package series

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	consolev1 "github.com/quoratedb/quorate/pkg/gen/quorate/console/v1"
)

const (
	// Interval is between two points, and pointsMax is two hours of them.
	Interval  = 10 * time.Second
	pointsMax = int(2 * time.Hour / Interval)
	// marksMax bounds the marks that are kept.
	marksMax = 200
)

// Alarms tells which alarms are raised, each in a few words.
type Alarms func(context.Context) ([]string, error)

// Ring has the points. Create it with New; Run takes points, and the other methods may be called concurrently.
type Ring struct {
	gatherer prometheus.Gatherer
	alarms   Alarms // nil where nobody knows

	// Of the goroutine that takes points.
	before   []sample
	beforeAt time.Time
	known    map[string]float64 // metrics of marks as they were
	raised   []string

	mu struct {
		sync.Mutex
		times []int64     // Unix milliseconds, the oldest first
		rows  [][]float32 // by time, then series
		marks []*consolev1.Mark
		// changed is closed, and replaced, when there is a new point.
		changed chan struct{}
	}
}

// New returns a ring without points. alarms may be nil.
func New(gatherer prometheus.Gatherer, alarms Alarms) *Ring {
	r := &Ring{gatherer: gatherer, alarms: alarms, before: make([]sample, len(definitions)), known: map[string]float64{}}
	r.mu.changed = make(chan struct{})
	return r
}

// Run takes a point at once and every Interval, until ctx ends.
func (r *Ring) Run(ctx context.Context) {
	tick := time.NewTicker(Interval)
	defer tick.Stop()
	began := time.Now()
	r.mark(began, consolev1.Mark_KIND_START, "this process began")
	r.take(ctx, began)
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			r.take(ctx, now)
		}
	}
}

// take takes one point.
func (r *Ring) take(ctx context.Context, now time.Time) {
	found, _ := r.gatherer.Gather() // what one collector fails to tell, others do
	families := make(map[string]*dto.MetricFamily, len(found))
	for _, family := range found {
		families[family.GetName()] = family
	}
	row, apart := make([]float32, len(definitions)), now.Sub(r.beforeAt).Seconds()
	for i := range definitions {
		taken := takeSample(&definitions[i], families[definitions[i].metric])
		row[i] = float32(point(definitions[i].reading, r.before[i], taken, apart))
		r.before[i] = taken
	}
	r.beforeAt = now
	r.markChanges(ctx, now, families)

	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.mu.times) == pointsMax {
		r.mu.times = append(r.mu.times[:0], r.mu.times[1:]...)
		r.mu.rows = append(r.mu.rows[:0], r.mu.rows[1:]...)
	}
	r.mu.times, r.mu.rows = append(r.mu.times, now.UnixMilli()), append(r.mu.rows, row)
	close(r.mu.changed)
	r.mu.changed = make(chan struct{})
}

// markChanges marks what has happened since the point before.
func (r *Ring) markChanges(ctx context.Context, now time.Time, families map[string]*dto.MetricFamily) {
	changed := func(metric string) (value float64, was bool) {
		s := takeSample(&definition{}, families[metric])
		before, known := r.known[metric]
		if s.there {
			r.known[metric] = s.value
		}
		return s.value, s.there && known && s.value != before
	}
	leads, moved := changed("etcd_server_is_leader")
	_, elected := changed("etcd_server_leader_changes_seen_total")
	switch {
	case moved && leads > 0:
		r.mark(now, consolev1.Mark_KIND_LEADER, "this member leads")
	case moved:
		r.mark(now, consolev1.Mark_KIND_LEADER, "this member leads no longer")
	case elected:
		r.mark(now, consolev1.Mark_KIND_LEADER, "another leader")
	}
	if compacted, was := changed("etcd_debugging_mvcc_compact_revision"); was {
		r.mark(now, consolev1.Mark_KIND_COMPACTION, fmt.Sprintf("compacted to %.0f", compacted))
	}
	if r.alarms == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, Interval/2)
	defer cancel()
	raised, err := r.alarms(ctx)
	if err != nil {
		return
	}
	for _, alarm := range raised {
		if !slices.Contains(r.raised, alarm) {
			r.mark(now, consolev1.Mark_KIND_ALARM, "alarm: "+alarm)
		}
	}
	for _, alarm := range r.raised {
		if !slices.Contains(raised, alarm) {
			r.mark(now, consolev1.Mark_KIND_ALARM, "no longer: "+alarm)
		}
	}
	r.raised = raised
}

func (r *Ring) mark(at time.Time, kind consolev1.Mark_Kind, text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.mu.marks) == marksMax {
		r.mu.marks = append(r.mu.marks[:0], r.mu.marks[1:]...)
	}
	r.mu.marks = append(r.mu.marks, &consolev1.Mark{TimeUnixMilli: at.UnixMilli(), Kind: kind, Text: text})
}

// Since returns the points after a time of the series that are named, of all where none is. changed is closed when there is a newer point.
func (r *Ring) Since(after int64, names []string) (found *consolev1.SeriesResponse, changed <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	first, _ := slices.BinarySearch(r.mu.times, after+1)
	found = &consolev1.SeriesResponse{TimesUnixMilli: slices.Clone(r.mu.times[first:]), IntervalMilli: Interval.Milliseconds()}
	for i, d := range definitions {
		if len(names) > 0 && !slices.Contains(names, d.name) {
			continue
		}
		s := &consolev1.Series{Name: d.name, Title: d.title, Chart: d.chart, Unit: d.unit, Values: make([]float64, 0, len(r.mu.rows)-first)}
		for _, row := range r.mu.rows[first:] {
			s.Values = append(s.Values, shortened(row[i]))
		}
		found.Series = append(found.Series, s)
	}
	// Marks of a point that is not there yet come with it.
	if n := len(r.mu.times); n > 0 && first < n {
		for _, mark := range r.mu.marks {
			if at := mark.GetTimeUnixMilli(); at > after && at >= r.mu.times[0] && at <= r.mu.times[n-1] {
				found.Marks = append(found.Marks, mark)
			}
		}
	}
	return found, r.mu.changed
}

// shortened leaves a number the four digits that a chart can show: it is sent as text.
func shortened(value float32) float64 {
	v := float64(value)
	if v == 0 || math.IsNaN(v) || math.IsInf(v, 0) {
		return v
	}
	scale := math.Pow(10, 3-math.Floor(math.Log10(math.Abs(v))))
	if scale < 1 {
		return math.Round(v*scale) * math.Round(1/scale)
	}
	return math.Round(v*scale) / scale
}
