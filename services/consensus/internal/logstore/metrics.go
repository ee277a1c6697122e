package logstore

import (
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are named as etcd names them where they mean the same.
type metrics struct {
	registerer prometheus.Registerer
	registered []prometheus.Collector
	fsync      prometheus.Histogram
	written    prometheus.Counter
	writtenAs  prometheus.Gauge // the same, as etcd has it
}

func newMetrics(s *Store, registerer prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		registerer: registerer,
		fsync: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "etcd_disk_wal_fsync_duration_seconds",
			Help:    "How long a synced append to the raft log takes.",
			Buckets: prometheus.ExponentialBuckets(0.0001, 2, 17), // 0.1 ms to 6.5 s
		}),
		written: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "quorate_log_written_bytes_total",
			Help: "Bytes appended to the raft log.",
		}),
	}
	m.writtenAs = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "etcd_disk_wal_write_bytes_total", Help: "Total number of bytes written in WAL.",
	})
	if registerer == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{
		m.fsync,
		m.written,
		m.writtenAs,
		gauge("quorate_log_first_index", "Index of the first retained raft log entry.", func() float64 {
			return float64(s.currentView().truncatedIndex + 1)
		}),
		gauge("quorate_log_last_index", "Index of the last raft log entry.", func() float64 {
			return float64(s.currentView().lastIndex)
		}),
	} {
		if err := registerer.Register(c); err != nil {
			m.unregister()
			return nil, fmt.Errorf("register raft log metrics: %w", err)
		}
		m.registered = append(m.registered, c)
	}
	return m, nil
}

func gauge(name, help string, read func() float64) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, read)
}

func (m *metrics) unregister() {
	for _, c := range m.registered {
		m.registerer.Unregister(c)
	}
	m.registered = nil
}

func (m *metrics) appended(size int, sync bool, start time.Time) {
	m.written.Add(float64(size))
	m.writtenAs.Add(float64(size))
	if sync {
		m.fsync.Observe(time.Since(start).Seconds())
	}
}
