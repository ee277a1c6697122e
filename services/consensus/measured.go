package consensus

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/quoratedb/quorate/pkg/errdefs"
	"github.com/quoratedb/quorate/pkg/identity"
	"github.com/quoratedb/quorate/services/consensus/internal/replication"
)

// metrics are what is counted and timed on the way of requests, by etcd's names.
type metrics struct {
	replication            *replication.Metrics
	ranges                 *prometheus.HistogramVec
	rangeOK, rangeFailed   prometheus.Observer
	hash, snapshot, defrag prometheus.Histogram
	defragmenting          prometheus.Gauge
	promoted               prometheus.Counter
	notPromoted            *prometheus.CounterVec
}

func newMetrics() *metrics {
	histogram := func(name, help string, first float64, count int) prometheus.Histogram {
		return prometheus.NewHistogram(prometheus.HistogramOpts{Name: name, Help: help, Buckets: prometheus.ExponentialBuckets(first, 2, count)})
	}
	m := &metrics{
		replication: replication.NewMetrics(),
		ranges: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "etcd_server_range_duration_seconds", Help: "How long ranges took to be read, without what they waited for.",
			Buckets: prometheus.ExponentialBuckets(0.0001, 2, 20),
		}, []string{"success"}),
		hash:     histogram("etcd_mvcc_hash_rev_duration_seconds", "The latency distribution of storage hash by revision operation.", 0.01, 15),
		snapshot: histogram("etcd_disk_backend_snapshot_duration_seconds", "How long snapshots took that clients asked for.", 0.01, 17),
		defrag:   histogram("etcd_disk_backend_defrag_duration_seconds", "How long calls of Defragment took, which goes on where that is longer than a client waits.", 0.1, 13),
		defragmenting: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "etcd_disk_defrag_inflight", Help: "Calls of Defragment that are under way.",
		}),
		promoted: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "etcd_server_learner_promote_successes", Help: "The total number of successful learner promotions while this member is leader.",
		}),
		notPromoted: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "etcd_server_learner_promote_failures", Help: "The total number of failed learner promotions (likely learner not ready) while this member is leader.",
		}, []string{"Reason"}),
	}
	m.rangeOK, m.rangeFailed = m.ranges.WithLabelValues("true"), m.ranges.WithLabelValues("false")
	return m
}

func (m *metrics) collectors() []prometheus.Collector {
	return append(m.replication.Collectors(), m.ranges, m.hash, m.snapshot, m.defrag, m.defragmenting, m.promoted, m.notPromoted)
}

// ranged notes the end of the reading of a range, for a defer.
func (m *metrics) ranged(begun time.Time, err *error) {
	if *err == nil {
		m.rangeOK.Observe(time.Since(begun).Seconds())
	} else {
		m.rangeFailed.Observe(time.Since(begun).Seconds())
	}
}

// promotion notes the outcome of a promotion.
func (m *metrics) promotion(err error) {
	switch {
	case err == nil:
		m.promoted.Inc()
	case errors.Is(err, errdefs.ErrNotLeader):
		// The leader counts.
	case errors.Is(err, errdefs.ErrLearnerNotReady):
		m.notPromoted.WithLabelValues(errdefs.ErrLearnerNotReady.Error()).Inc()
	default:
		m.notPromoted.WithLabelValues("other").Inc()
	}
}

// observeSince is for a defer.
func observeSince(h prometheus.Histogram, begun time.Time) { h.Observe(time.Since(begun).Seconds()) }

// memberMetrics tell who the member is and whom it knows, and what memory holds.
type memberMetrics struct{ m *Member }

var (
	serverID   = prometheus.NewDesc("etcd_server_id", "Server or member ID in hexadecimal format. 1 for 'server_id' label with current ID.", []string{"server_id"}, nil)
	knownPeers = prometheus.NewDesc("etcd_network_known_peers", "The current number of known peers.", []string{"Local", "Remote"}, nil)
	memoryHeld = prometheus.NewDesc("quorate_memory_bytes", "Bytes that a part of the member holds in memory, of those that are bounded.", []string{"of"}, nil)
)

// Describe implements prometheus.Collector.
func (memberMetrics) Describe(descriptions chan<- *prometheus.Desc) {
	descriptions <- serverID
	descriptions <- knownPeers
	descriptions <- memoryHeld
}

// Collect implements prometheus.Collector.
func (c memberMetrics) Collect(found chan<- prometheus.Metric) {
	gauge := func(desc *prometheus.Desc, value float64, labels ...string) {
		found <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, labels...)
	}
	self := identity.Format(c.m.cfg.MemberID)
	gauge(serverID, 1, self)
	for _, member := range c.m.members.List() {
		gauge(knownPeers, 1, self, identity.Format(member.GetId()))
	}
	_, proposals := c.m.replica.Waiting()
	gauge(memoryHeld, float64(proposals), "proposals")
	gauge(memoryHeld, float64(c.m.feed.Bytes()), "feed")
}
