package ingest

import "github.com/prometheus/client_golang/prometheus"

// Metrics counts what an ingester does.
type Metrics struct {
	batches, notices, commits, bytes, tailRestarts prometheus.Counter
	lag                                            prometheus.Gauge
}

// NewMetrics returns metrics that Collectors registers.
func NewMetrics() *Metrics {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: "quorate_watch_" + name, Help: help})
	}
	return &Metrics{
		batches: counter("published_batches_total", "Messages published to watch nodes, heartbeats included."),
		notices: counter("published_notices_total", "Messages over the payload limit, published without their commits."),
		commits: counter("published_commits_total", "Commits published to watch nodes."),
		bytes:   counter("published_bytes_total", "Bytes published to watch nodes."),
		lag: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "quorate_watch_feed_lag_revisions", Help: "Revisions that the commit feed is ahead of what was taken from it.",
		}),
		tailRestarts: counter("feed_restarts_total", "Times that the commit feed ended and was resumed."),
	}
}

// Collectors returns all of them.
func (m *Metrics) Collectors() []prometheus.Collector {
	return []prometheus.Collector{m.batches, m.notices, m.commits, m.bytes, m.tailRestarts, m.lag}
}
