package peer

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are etcd's where they mean the same.
type metrics struct {
	sentBytes, receivedBytes       *prometheus.CounterVec
	sentFailures, receivedFailures *prometheus.CounterVec
	dropped, messages              *prometheus.CounterVec
	active                         *prometheus.GaugeVec
	disconnected                   *prometheus.CounterVec
	roundTrip                      *prometheus.HistogramVec
	snapshotsSent, snapshotsFailed *prometheus.CounterVec
	snapshotBytes                  *prometheus.CounterVec
}

func newMetrics() *metrics {
	counter := func(namespace, name, help, label string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, []string{label})
	}
	m := &metrics{
		sentBytes:        counter("etcd", "network_peer_sent_bytes_total", "Bytes sent to peers.", "To"),
		receivedBytes:    counter("etcd", "network_peer_received_bytes_total", "Bytes received from peers.", "From"),
		sentFailures:     counter("etcd", "network_peer_sent_failures_total", "Streams to peers that failed or could not be made.", "To"),
		receivedFailures: counter("etcd", "network_peer_received_failures_total", "Streams from peers that were refused or broken.", "From"),
		disconnected:     counter("etcd", "network_disconnected_peers_total", "Streams to peers that were lost.", "Remote"),
		dropped:          counter("quorate", "peer_dropped_messages_total", "Raft messages that were dropped because a peer was unreachable or slow.", "To"),
		messages:         counter("quorate", "peer_sent_messages_total", "Raft messages sent to peers.", "To"),
		snapshotsSent:    counter("etcd", "network_snapshot_send_success", "Snapshots that peers took and installed.", "To"),
		snapshotsFailed:  counter("etcd", "network_snapshot_send_failures", "Snapshots that peers could not take or install.", "To"),
		snapshotBytes:    counter("quorate", "peer_snapshot_sent_bytes_total", "Bytes of snapshots sent to peers.", "To"),
		active: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Namespace: "etcd", Name: "network_active_peers", Help: "Whether there is a stream to the peer.",
		}, []string{"Local", "Remote"}),
		roundTrip: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: "etcd", Name: "network_peer_round_trip_time_seconds", Help: "Time from a ping to its answer, with what was queued before it.",
			Buckets: prometheus.ExponentialBuckets(0.0001, 2, 16),
		}, []string{"To"}),
	}
	return m
}

func (m *metrics) all() []prometheus.Collector {
	return []prometheus.Collector{
		m.sentBytes, m.receivedBytes, m.sentFailures, m.receivedFailures, m.disconnected, m.dropped, m.messages,
		m.snapshotsSent, m.snapshotsFailed, m.snapshotBytes, m.active, m.roundTrip,
	}
}

// register makes the metrics known until unregister is called; nil for nowhere.
func (m *metrics) register(registerer prometheus.Registerer) error {
	if registerer == nil {
		return nil
	}
	for _, c := range m.all() {
		if err := registerer.Register(c); err != nil {
			m.unregister(registerer)
			return fmt.Errorf("register the metrics of the members' transport: %w", err)
		}
	}
	return nil
}

func (m *metrics) unregister(registerer prometheus.Registerer) {
	if registerer == nil {
		return
	}
	for _, c := range m.all() {
		registerer.Unregister(c)
	}
}
