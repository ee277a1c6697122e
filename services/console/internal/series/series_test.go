package series

import (
	"context"
	"math"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	consolev1 "github.com/quoratedb/quorate/pkg/gen/quorate/console/v1"
)

// Goal: points are rates, levels and quantiles of what came since the point before, what is not measured is NaN, two hours are kept, what happens is
// marked once, and only what is newer is told. Method: metrics by the names of a member's, and a clock of the test's.
func TestRing(t *testing.T) {
	registry := prometheus.NewRegistry()
	puts := prometheus.NewCounter(prometheus.CounterOpts{Name: "etcd_mvcc_put_total"})
	keys := prometheus.NewGauge(prometheus.GaugeOpts{Name: "etcd_debugging_mvcc_keys_total"})
	leads := prometheus.NewGauge(prometheus.GaugeOpts{Name: "etcd_server_is_leader"})
	fsync := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "etcd_disk_wal_fsync_duration_seconds", Buckets: []float64{0.001, 0.01, 0.1}})
	registry.MustRegister(puts, keys, leads, fsync)
	var raised []string
	r := New(registry, func(context.Context) ([]string, error) { return raised, nil })
	now := time.Unix(1_000_000, 0)
	step := func() { now = now.Add(Interval); r.take(t.Context(), now) }
	values := func(found *consolev1.SeriesResponse, name string) []float64 {
		for _, s := range found.GetSeries() {
			if s.GetName() == name {
				return s.GetValues()
			}
		}
		t.Fatalf("there is no series %s", name)
		return nil
	}

	step()
	first, changed := r.Since(0, nil)
	if !math.IsNaN(values(first, "puts")[0]) || !math.IsNaN(values(first, "goroutines")[0]) || len(first.GetSeries()) != len(definitions) {
		t.Error("a rate needs two points, and what is not there is not measured")
	}
	puts.Add(12345)
	keys.Set(7)
	leads.Set(1)
	raised = []string{"NOSPACE"}
	for range 100 {
		fsync.Observe(0.005)
	}
	step()
	select {
	case <-changed:
	default:
		t.Error("nobody is told of the new point")
	}
	second, _ := r.Since(first.GetTimesUnixMilli()[0], nil)
	if got := values(second, "puts"); len(got) != 1 || got[0] != 1235 { // of 1234.5 four digits
		t.Errorf("puts: %v", got)
	}
	if got := values(second, "keys")[0]; got != 7 {
		t.Errorf("keys: %v", got)
	}
	if got := values(second, "fsync_median")[0]; got != 0.0055 { // in the middle between the bounds
		t.Errorf("fsync: %v", got)
	}
	if marks := second.GetMarks(); len(marks) != 2 || marks[0].GetText() != "this member leads" || marks[1].GetText() != "alarm: NOSPACE" {
		t.Errorf("marks: %v", marks)
	}
	for range pointsMax {
		step()
	}
	all, _ := r.Since(0, []string{"keys"})
	if len(all.GetTimesUnixMilli()) != pointsMax || len(all.GetSeries()) != 1 || len(all.GetMarks()) != 0 {
		t.Errorf("%d points, %d series, %d marks", len(all.GetTimesUnixMilli()), len(all.GetSeries()), len(all.GetMarks()))
	}
}
