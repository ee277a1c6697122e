package relay

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
)

// counts are what a relay counts where it would cost too much to ask a metric.
type counts struct {
	// pending events wait in queues, delivered ones were handed out.
	pending, delivered atomic.Int64
	// slowed watches fell behind because their session had no room, reads are what they asked watch nodes for.
	slowed, reads atomic.Int64
	// moved groups left a node for another, lapsed ones were given up by theirs.
	moved, lapsed atomic.Int64
	// lost nodes were up.
	lost atomic.Int64
}

// collectors returns the relay's metrics. Those that mean the same in etcd have etcd's names.
func (r *Relay) collectors() []prometheus.Collector {
	gauge := func(name, help string, value func() int) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, func() float64 {
			r.mu.Lock()
			defer r.mu.Unlock()
			return float64(value())
		})
	}
	counter := func(name, help string, value *atomic.Int64) prometheus.Collector {
		return prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help}, func() float64 { return float64(value.Load()) })
	}
	return []prometheus.Collector{
		gauge("etcd_debugging_mvcc_watcher_total", "Watches.", func() int { return r.mu.watches }),
		gauge("etcd_debugging_mvcc_watch_stream_total", "Watch sessions, one for each client stream.", func() int { return len(r.mu.sessions) }),
		gauge("etcd_debugging_mvcc_slow_watcher_total", "Watches that are behind and read the past.", func() int { return r.mu.behind }),
		gauge("etcd_debugging_mvcc_pending_events_total", "Events that wait to be taken by clients.", func() int { return int(r.counts.pending.Load()) }),
		gauge("quorate_watch_subscriptions", "Different watches, each subscribed to at one watch node.", func() int { return len(r.mu.groups) }),
		gauge("quorate_watch_nodes_up", "Watch nodes that are reached.", func() int {
			up := 0
			for _, l := range r.mu.links {
				if l.up {
					up++
				}
			}
			return up
		}),
		counter("etcd_debugging_mvcc_events_total", "Events delivered to watches.", &r.counts.delivered),
		counter("quorate_watch_slowed_total", "Times that a live watch fell behind because its client took too little.", &r.counts.slowed),
		counter("quorate_watch_reads_total", "Reads of the past from watch nodes.", &r.counts.reads),
		counter("quorate_watch_moves_total", "Subscriptions that moved from one watch node to another.", &r.counts.moved),
		counter("quorate_watch_nodes_lost_total", "Times that a watch node that was reached was lost.", &r.counts.lost),
		counter("quorate_watch_lapses_total", "Subscriptions that a watch node gave up because this node took too little.", &r.counts.lapsed),
	}
}
