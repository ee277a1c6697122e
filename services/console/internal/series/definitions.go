package series

import consolev1 "github.com/quoratedb/quorate/pkg/gen/quorate/console/v1"

// reading is how a metric becomes a point.
type reading uint8

const (
	// level is the metric as it stands, summed over its labels.
	level reading = iota
	// rate is by how much it has grown, a second.
	rate
	// median and tail are the quantiles 0.5 and 0.99 of what a histogram has taken since the point before.
	median
	tail
)

// definition says what a series is.
type definition struct {
	name, title, chart string
	unit               consolev1.Series_Unit
	metric             string
	reading            reading
	// labels must be of the metric; a value that begins with "!" must not be.
	labels map[string]string
}

const (
	perSecond      = consolev1.Series_UNIT_PER_SECOND
	seconds        = consolev1.Series_UNIT_SECONDS
	bytes          = consolev1.Series_UNIT_BYTES
	bytesPerSecond = consolev1.Series_UNIT_BYTES_PER_SECOND
	count          = consolev1.Series_UNIT_COUNT
	processors     = consolev1.Series_UNIT_PROCESSORS
)

// definitions are all series in the order in which they are shown. A process that has not the metric has NaN there.
var definitions = []definition{
	{name: "puts", title: "puts", chart: "Changes", unit: perSecond, metric: "etcd_mvcc_put_total", reading: rate},
	{name: "deletes", title: "deletes", chart: "Changes", unit: perSecond, metric: "etcd_mvcc_delete_total", reading: rate},
	{name: "txns", title: "transactions", chart: "Changes", unit: perSecond, metric: "etcd_mvcc_txn_total", reading: rate},
	{name: "ranges", title: "ranges", chart: "Requests", unit: perSecond, metric: "etcd_mvcc_range_total", reading: rate},
	{name: "calls", title: "calls of all methods", chart: "Requests", unit: perSecond, metric: "grpc_server_started_total", reading: rate},
	{name: "failed_calls", title: "calls that failed", chart: "Requests", unit: perSecond, metric: "grpc_server_handled_total", reading: rate, labels: map[string]string{"grpc_code": "!OK"}},
	{name: "v2_requests", title: "v2 requests", chart: "Requests", unit: perSecond, metric: "etcd_http_received_total", reading: rate},
	{name: "proposals_committed", title: "committed", chart: "Proposals", unit: perSecond, metric: "etcd_server_proposals_committed_total", reading: rate},
	{name: "proposals_failed", title: "failed", chart: "Proposals", unit: perSecond, metric: "etcd_server_proposals_failed_total", reading: rate},
	{name: "proposals_pending", title: "pending", chart: "Waiting", unit: count, metric: "etcd_server_proposals_pending"},
	{name: "events_pending", title: "events not taken", chart: "Waiting", unit: count, metric: "etcd_debugging_mvcc_pending_events_total"},
	{name: "put_median", title: "put, median", chart: "Time of requests", unit: seconds, metric: "etcd_server_request_duration_seconds", reading: median, labels: map[string]string{"type": "Put"}},
	{name: "put_tail", title: "put, 99th", chart: "Time of requests", unit: seconds, metric: "etcd_server_request_duration_seconds", reading: tail, labels: map[string]string{"type": "Put"}},
	{name: "range_median", title: "range, median", chart: "Time of requests", unit: seconds, metric: "etcd_server_request_duration_seconds", reading: median, labels: map[string]string{"type": "Range"}},
	{name: "range_tail", title: "range, 99th", chart: "Time of requests", unit: seconds, metric: "etcd_server_request_duration_seconds", reading: tail, labels: map[string]string{"type": "Range"}},
	{name: "write_queue", title: "queue, 99th", chart: "Time of writes", unit: seconds, metric: "quorate_write_phase_seconds", reading: tail, labels: map[string]string{"phase": "queue"}},
	{name: "write_sync", title: "sync, 99th", chart: "Time of writes", unit: seconds, metric: "quorate_write_phase_seconds", reading: tail, labels: map[string]string{"phase": "sync"}},
	{name: "write_replicate", title: "replicate, 99th", chart: "Time of writes", unit: seconds, metric: "quorate_write_phase_seconds", reading: tail, labels: map[string]string{"phase": "replicate"}},
	{name: "write_apply", title: "apply, 99th", chart: "Time of writes", unit: seconds, metric: "quorate_write_phase_seconds", reading: tail, labels: map[string]string{"phase": "apply"}},
	{name: "fsync_median", title: "fsync, median", chart: "Disk", unit: seconds, metric: "etcd_disk_wal_fsync_duration_seconds", reading: median},
	{name: "fsync_tail", title: "fsync, 99th", chart: "Disk", unit: seconds, metric: "etcd_disk_wal_fsync_duration_seconds", reading: tail},
	{name: "commit_tail", title: "commit, 99th", chart: "Disk", unit: seconds, metric: "etcd_disk_backend_commit_duration_seconds", reading: tail},
	{name: "log_written", title: "log", chart: "Written", unit: bytesPerSecond, metric: "etcd_disk_wal_write_bytes_total", reading: rate},
	{name: "received", title: "received by gRPC", chart: "Network", unit: bytesPerSecond, metric: "etcd_network_client_grpc_received_bytes_total", reading: rate},
	{name: "sent", title: "sent by gRPC", chart: "Network", unit: bytesPerSecond, metric: "etcd_network_client_grpc_sent_bytes_total", reading: rate},
	{name: "db_size", title: "data", chart: "Size", unit: bytes, metric: "etcd_mvcc_db_total_size_in_bytes"},
	{name: "db_in_use", title: "in use", chart: "Size", unit: bytes, metric: "etcd_mvcc_db_total_size_in_use_in_bytes"},
	{name: "disk_free", title: "free on the disk", chart: "Free on the disk", unit: bytes, metric: "quorate_disk_free_bytes", labels: map[string]string{"of": "state"}},
	{name: "keys", title: "keys", chart: "Keys", unit: count, metric: "etcd_debugging_mvcc_keys_total"},
	{name: "revision", title: "revisions", chart: "Changes", unit: perSecond, metric: "etcd_debugging_mvcc_current_revision", reading: rate},
	{name: "watches", title: "watches", chart: "Watches", unit: count, metric: "etcd_debugging_mvcc_watcher_total"},
	{name: "slow_watches", title: "behind", chart: "Watches", unit: count, metric: "etcd_debugging_mvcc_slow_watcher_total"},
	{name: "events", title: "events to watches", chart: "Events", unit: perSecond, metric: "etcd_debugging_mvcc_events_total", reading: rate},
	{name: "leases", title: "leases", chart: "Leases", unit: count, metric: "quorate_lease_leases"},
	{name: "leases_granted", title: "granted", chart: "Changes of leases", unit: perSecond, metric: "etcd_debugging_lease_granted_total", reading: rate},
	{name: "leases_renewed", title: "renewed", chart: "Changes of leases", unit: perSecond, metric: "etcd_debugging_lease_renewed_total", reading: rate},
	{name: "leases_expired", title: "expired", chart: "Changes of leases", unit: perSecond, metric: "etcd_debugging_server_lease_expired_total", reading: rate},
	{name: "cpu", title: "processor", chart: "Processor", unit: processors, metric: "process_cpu_seconds_total", reading: rate},
	{name: "memory", title: "resident", chart: "Memory", unit: bytes, metric: "process_resident_memory_bytes"},
	{name: "heap", title: "Go's heap", chart: "Memory", unit: bytes, metric: "go_memstats_heap_inuse_bytes"},
	{name: "goroutines", title: "goroutines", chart: "Goroutines", unit: count, metric: "go_goroutines"},
	{name: "connections", title: "of clients", chart: "Connections", unit: count, metric: "quorate_api_connections"},
	{name: "peers", title: "members in touch", chart: "Peers", unit: count, metric: "etcd_network_active_peers"},
}
