// Package metrics has what is counted of the traffic between members. It counts nothing itself.
package metrics

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics are etcd's where they mean the same.
type Metrics struct {
	SentBytes, ReceivedBytes       *prometheus.CounterVec
	SentFailures, ReceivedFailures *prometheus.CounterVec
	Dropped, Messages              *prometheus.CounterVec
	Active                         *prometheus.GaugeVec
	Disconnected                   *prometheus.CounterVec
	RoundTrip                      *prometheus.HistogramVec
	SnapshotsSent, SnapshotsFailed *prometheus.CounterVec
	SnapshotBytes                  *prometheus.CounterVec
}

// New makes the metrics; nobody knows of them yet.
func New() *Metrics {
	counter := func(namespace, name, help, label string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, []string{label})
	}
	m := &Metrics{
		SentBytes:        counter("etcd", "network_peer_sent_bytes_total", "Bytes sent to peers.", "To"),
		ReceivedBytes:    counter("etcd", "network_peer_received_bytes_total", "Bytes received from peers.", "From"),
		SentFailures:     counter("etcd", "network_peer_sent_failures_total", "Streams to peers that failed or could not be made.", "To"),
		ReceivedFailures: counter("etcd", "network_peer_received_failures_total", "Streams from peers that were refused or broken.", "From"),
		Dropped:          counter("quorate", "peer_dropped_messages_total", "Raft messages that were dropped because a peer was unreachable or slow.", "To"),
		Messages:         counter("quorate", "peer_sent_messages_total", "Raft messages sent to peers.", "To"),
		SnapshotsSent:    counter("etcd", "network_snapshot_send_success", "Snapshots that peers took and installed.", "To"),
		SnapshotsFailed:  counter("etcd", "network_snapshot_send_failures", "Snapshots that peers could not take or install.", "To"),
		SnapshotBytes:    counter("quorate", "peer_snapshot_sent_bytes_total", "Bytes of snapshots sent to peers.", "To"),
		Disconnected: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "etcd", Name: "network_disconnected_peers_total", Help: "Streams to peers that were lost.",
		}, []string{"Local", "Remote"}),
		Active: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Namespace: "etcd", Name: "network_active_peers", Help: "Whether there is a stream to the peer.",
		}, []string{"Local", "Remote"}),
		RoundTrip: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: "etcd", Name: "network_peer_round_trip_time_seconds", Help: "Time from a ping to its answer, with what was queued before it.",
			Buckets: prometheus.ExponentialBuckets(0.0001, 2, 16),
		}, []string{"To"}),
	}
	return m
}

func (m *Metrics) all() []prometheus.Collector {
	return []prometheus.Collector{
		m.SentBytes, m.ReceivedBytes, m.SentFailures, m.ReceivedFailures, m.Disconnected, m.Dropped, m.Messages,
		m.SnapshotsSent, m.SnapshotsFailed, m.SnapshotBytes, m.Active, m.RoundTrip,
	}
}

// Register makes the metrics known until Unregister is called; nil for nowhere.
func (m *Metrics) Register(registerer prometheus.Registerer) error {
	if registerer == nil {
		return nil
	}
	for _, c := range m.all() {
		if err := registerer.Register(c); err != nil {
			m.Unregister(registerer)
			return fmt.Errorf("register the metrics of the members' transport: %w", err)
		}
	}
	return nil
}

// Unregister undoes Register.
func (m *Metrics) Unregister(registerer prometheus.Registerer) {
	if registerer == nil {
		return
	}
	for _, c := range m.all() {
		registerer.Unregister(c)
	}
}
