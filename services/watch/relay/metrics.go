package relay

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/quoratedb/quorate/services/watch/relay/internal/groups"
)

// collectors returns the relay's metrics. Those that mean the same in etcd have etcd's names.
func (r *Relay) collectors() []prometheus.Collector {
	// ofTable asks the table, and what stands beside it under the lock.
	ofTable := func(value func(*groups.Table) int64) func() float64 {
		return func() float64 {
			r.mu.Lock()
			defer r.mu.Unlock()
			return float64(value(r.mu.table))
		}
	}
	gauge := func(name, help string, value func(*groups.Table) int64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, ofTable(value))
	}
	counterOf := func(name, help string, value func(groups.Counts) int64) prometheus.Collector {
		return prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help},
			ofTable(func(t *groups.Table) int64 { return value(t.Counts()) }))
	}
	counter := func(name, help string, value *atomic.Int64) prometheus.Collector {
		return prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help}, func() float64 { return float64(value.Load()) })
	}
	return []prometheus.Collector{
		gauge("etcd_debugging_mvcc_watcher_total", "Watches.", func(t *groups.Table) int64 { return int64(t.Len()) }),
		gauge("etcd_debugging_mvcc_watch_stream_total", "Watch sessions, one for each client stream.", func(*groups.Table) int64 { return int64(len(r.mu.sessions)) }),
		gauge("etcd_debugging_mvcc_slow_watcher_total", "Watches that are behind and read the past.", func(t *groups.Table) int64 { return int64(t.Behind()) }),
		gauge("etcd_debugging_mvcc_pending_events_total", "Events that wait to be taken by clients.", func(*groups.Table) int64 { return r.counts.pending.Load() }),
		gauge("quorate_watch_subscriptions", "Different watches, each subscribed to at one watch node.", func(t *groups.Table) int64 { return int64(t.Groups()) }),
		gauge("quorate_watch_nodes_up", "Watch nodes that are reached.", func(t *groups.Table) int64 { return int64(t.NodesUp()) }),
		counter("etcd_debugging_mvcc_events_total", "Events delivered to watches.", &r.counts.delivered),
		counterOf("quorate_watch_slowed_total", "Times that a live watch fell behind because its client took too little.", func(c groups.Counts) int64 { return c.Slowed }),
		counter("quorate_watch_reads_total", "Reads of the past from watch nodes.", &r.reads.asked),
		counterOf("quorate_watch_moves_total", "Subscriptions that moved from one watch node to another.", func(c groups.Counts) int64 { return c.Moved }),
		counterOf("quorate_watch_nodes_lost_total", "Times that a watch node that was reached was lost.", func(c groups.Counts) int64 { return c.Lost }),
		counterOf("quorate_watch_lapses_total", "Subscriptions that a watch node gave up because this node took too little.", func(c groups.Counts) int64 { return c.Lapsed }),
	}
}
