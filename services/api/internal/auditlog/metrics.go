package auditlog

import "github.com/prometheus/client_golang/prometheus"

// metrics count what becomes of lines.
type metrics struct {
	lines, lost, refused, rotations prometheus.Counter
	seconds                         prometheus.Histogram
}

func newMetrics(registerer prometheus.Registerer) *metrics {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	}
	m := &metrics{
		lines:     counter("quorate_audit_lines_total", "Lines that were given to the audit log."),
		lost:      counter("quorate_audit_lost_total", "Lines that were lost because they came faster than they were written, or because there was no room for the end of a v2 wait."),
		refused:   counter("quorate_audit_refused_total", "Requests that were refused because their lines had no room."),
		rotations: counter("quorate_audit_rotations_total", "Files of the audit log that were begun after another."),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "quorate_audit_write_seconds", Help: "Time to write lines together, and to sync them where that is wanted.",
			Buckets: prometheus.ExponentialBuckets(0.00001, 4, 10),
		}),
	}
	if registerer != nil {
		registerer.MustRegister(m.lines, m.lost, m.refused, m.rotations, m.seconds)
	}
	return m
}
