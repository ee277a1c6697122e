package node

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/quoratedb/quorate/services/watch/internal/match"
)

// Collectors returns the node's metrics. Those that mean the same in etcd have etcd's names.
func (n *Node) Collectors() []prometheus.Collector {
	gauge := func(name, help string, value func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value)
	}
	counter := func(name, help string, value *atomic.Int64) prometheus.Collector {
		return prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help},
			func() float64 { return float64(value.Load()) })
	}
	// ofTable asks the table, and what stands beside it under the lock.
	ofTable := func(value func(*match.Table) float64) func() float64 {
		return func() float64 {
			n.mu.Lock()
			defer n.mu.Unlock()
			return value(n.mu.table)
		}
	}
	counterOf := func(name, help string, value func(*match.Table) int64) prometheus.Collector {
		return prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help},
			ofTable(func(t *match.Table) float64 { return float64(value(t)) }))
	}
	return []prometheus.Collector{
		gauge("etcd_debugging_mvcc_watcher_total", "Watches.",
			ofTable(func(t *match.Table) float64 { return float64(t.Len()) })),
		gauge("etcd_debugging_mvcc_watch_stream_total", "Watch sessions, one for each client stream.",
			ofTable(func(*match.Table) float64 { return float64(len(n.mu.sessions)) })),
		gauge("etcd_debugging_mvcc_slow_watcher_total", "Watches that are behind and read from history or recent commits.",
			ofTable(func(t *match.Table) float64 { return float64(t.Behind()) })),
		gauge("etcd_debugging_mvcc_pending_events_total", "Events that wait to be taken by clients.",
			func() float64 { return float64(n.counts.pending.Load()) }),
		counter("etcd_debugging_mvcc_events_total", "Events delivered to watches.", &n.counts.delivered),
		counterOf("quorate_watch_slowed_total", "Times that a live watch fell behind because its client took too little.", (*match.Table).Slowed),
		counterOf("quorate_watch_gaps_total", "Gaps found in the broadcast, and filled from history.", (*match.Table).Gaps),
		counter("quorate_watch_history_reads_total", "Reads of history, for gaps and for watches that are behind.", &n.counts.reads),
		gauge("quorate_watch_position_revision", "Revision up to which everything is matched.",
			func() float64 { return float64(n.Position()) }),
		gauge("quorate_watch_ring_bytes", "Estimated bytes of the recent commits in memory.",
			ofTable(func(t *match.Table) float64 { return float64(t.RingBytes()) })),
	}
}
