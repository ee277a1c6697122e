package replication

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// Metrics are what the loops count and time, by etcd's names where they mean the same. Those who measure allocate nothing.
type Metrics struct {
	leaderChanges, failed, lateHeartbeats prometheus.Counter
	readsSlow, readsFailed, slowApplies   prometheus.Counter
	installing                            prometheus.Gauge
	committed                             prometheus.Histogram

	requests, applied, phases *prometheus.HistogramVec
	// request and apply are those of each kind, of failures and successes; the others are phases.
	request, apply                   [kinds][2]prometheus.Observer
	queue, sync, replicate, applying prometheus.Observer
}

// NewMetrics returns metrics that Collectors tells of.
func NewMetrics() *Metrics {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Namespace: "etcd", Subsystem: "server", Name: name, Help: help})
	}
	histogram := func(name, help string, first float64, count int, labels ...string) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: prometheus.ExponentialBuckets(first, 2, count)}, labels)
	}
	m := &Metrics{
		leaderChanges:  counter("leader_changes_seen_total", "The number of leader changes seen."),
		failed:         counter("proposals_failed_total", "The total number of failed proposals seen."),
		lateHeartbeats: counter("heartbeat_send_failures_total", "Times that this member led and sent its heartbeats more than an interval late."),
		readsSlow:      counter("slow_read_indexes_total", "Questions for a read index that were asked again because no answer came."),
		readsFailed:    counter("read_indexes_failed_total", "Reads that ended before there was a read index for them."),
		slowApplies:    counter("slow_apply_total", "Commands whose application took more than --warning-apply-duration."),
		installing: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "etcd_server_snapshot_apply_in_progress_total", Help: "1 if the server is applying the incoming snapshot. 0 if none.",
		}),
		committed: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "etcd_disk_backend_commit_duration_seconds", Help: "How long a batch of applied commands took to be committed to the state.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2, 14),
		}),
		requests: histogram("etcd_server_request_duration_seconds", "Response latency distribution in seconds for each type.", 0.001, 14, "type", "success"),
		applied:  histogram("etcd_server_apply_duration_seconds", "How long commands took to be applied.", 0.0001, 20, "version", "op", "success"),
		phases:   histogram("quorate_write_phase_seconds", "Where the time of writes goes: a command's in the queue; of log entries to be synced here, beside that to be replicated until they are committed, and to be applied.", 0.00005, 17, "phase"),
	}
	for k, name := range kindNames {
		for i, success := range []bool{false, true} {
			text := strconv.FormatBool(success)
			m.request[k][i] = m.requests.WithLabelValues(name, text)
			if Kind(k) != KindRange && Kind(k) != KindReadTxn {
				m.apply[k][i] = m.applied.WithLabelValues("v3", name, text)
			}
		}
	}
	m.queue, m.sync = m.phases.WithLabelValues("queue"), m.phases.WithLabelValues("sync")
	m.replicate, m.applying = m.phases.WithLabelValues("replicate"), m.phases.WithLabelValues("apply")
	return m
}

// Collectors returns all of them.
func (m *Metrics) Collectors() []prometheus.Collector {
	return []prometheus.Collector{
		m.leaderChanges, m.failed, m.lateHeartbeats, m.readsSlow, m.readsFailed, m.slowApplies, m.installing, m.committed, m.requests,
		m.applied, m.phases,
	}
}

// Requested notes how long a request took that began at a time.
func (m *Metrics) Requested(k Kind, begun time.Time, err error) {
	m.request[k][flag(err == nil)].Observe(time.Since(begun).Seconds())
}

func flag(on bool) int {
	if on {
		return 1
	}
	return 0
}

// Kind is what a request asks for, as etcd tells requests apart.
type Kind uint8

// The kinds of requests: reads, which are no commands, and commands.
const (
	KindRange Kind = iota
	KindReadTxn
	kindPut
	kindDeleteRange
	kindTxn
	kindCompaction
	kindLeaseGrant
	kindLeaseRevoke
	kindLeaseCheckpoint
	kindLeaseAcquire
	kindAlarm
	kindPublish
	kindAuth
	kindTree
	kindQuota
	kinds
)

// kindNames are etcd's where it has the kind.
var kindNames = [kinds]string{
	"Range", "ReadonlyTxn", "Put", "DeleteRange", "Txn", "Compaction", "LeaseGrant", "LeaseRevoke", "LeaseCheckpoint",
	"LeaseAcquire", "Alarm", "ClusterMemberAttrSet", "Auth", "Tree", "Quota",
}

func kindOf(command *consensusv1.Command) Kind {
	switch command.GetCommand().(type) {
	case *consensusv1.Command_Put:
		return kindPut
	case *consensusv1.Command_DeleteRange:
		return kindDeleteRange
	case *consensusv1.Command_Txn:
		return kindTxn
	case *consensusv1.Command_Compact:
		return kindCompaction
	case *consensusv1.Command_LeaseGrant:
		return kindLeaseGrant
	case *consensusv1.Command_LeaseRevoke:
		return kindLeaseRevoke
	case *consensusv1.Command_LeaseCheckpoint:
		return kindLeaseCheckpoint
	case *consensusv1.Command_LeaseAcquire:
		return kindLeaseAcquire
	case *consensusv1.Command_Alarm:
		return kindAlarm
	case *consensusv1.Command_Publish:
		return kindPublish
	case *consensusv1.Command_Auth:
		return kindAuth
	case *consensusv1.Command_Quota:
		return kindQuota
	}
	return kindTree
}
