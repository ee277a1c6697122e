package match

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
)

// counts are what a node counts where it would cost too much to ask a metric.
type counts struct {
	// pending events wait in queues, delivered ones were handed out.
	pending, delivered atomic.Int64
	// behind watches are those that are not live, slowed ones became so because their session had no room.
	behind, slowed atomic.Int64
	// gaps were found in what the source sent, reads of history made for gaps and watches.
	gaps, reads atomic.Int64
}

// Collectors returns the node's metrics. Those that mean the same in etcd have etcd's names.
func (n *Node) Collectors() []prometheus.Collector {
	gauge := func(name, help string, value func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value)
	}
	counter := func(name, help string, value *atomic.Int64) prometheus.Collector {
		return prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help},
			func() float64 { return float64(value.Load()) })
	}
	return []prometheus.Collector{
		gauge("etcd_debugging_mvcc_watcher_total", "Watches.",
			func() float64 { return float64(n.watchers()) }),
		gauge("etcd_debugging_mvcc_watch_stream_total", "Watch sessions, one for each client stream.",
			func() float64 {
				n.mu.Lock()
				defer n.mu.Unlock()
				return float64(len(n.mu.sessions))
			}),
		gauge("etcd_debugging_mvcc_slow_watcher_total", "Watches that are behind and read from history or recent commits.",
			func() float64 { return float64(n.counts.behind.Load()) }),
		gauge("etcd_debugging_mvcc_pending_events_total", "Events that wait to be taken by clients.",
			func() float64 { return float64(n.counts.pending.Load()) }),
		counter("etcd_debugging_mvcc_events_total", "Events delivered to watches.", &n.counts.delivered),
		counter("quorate_watch_slowed_total", "Times that a live watch fell behind because its client took too little.", &n.counts.slowed),
		counter("quorate_watch_gaps_total", "Gaps found in the broadcast, and filled from history.", &n.counts.gaps),
		counter("quorate_watch_history_reads_total", "Reads of history, for gaps and for watches that are behind.", &n.counts.reads),
		gauge("quorate_watch_position_revision", "Revision up to which everything is matched.",
			func() float64 { return float64(n.Position()) }),
		gauge("quorate_watch_ring_bytes", "Estimated bytes of the recent commits in memory.",
			func() float64 {
				n.mu.Lock()
				defer n.mu.Unlock()
				return float64(n.mu.ring.bytes)
			}),
	}
}
