package mvcc

import (
	"fmt"

	"github.com/cockroachdb/pebble/v2"
	"github.com/prometheus/client_golang/prometheus"
)

// reading is what one scrape sees.
type reading struct {
	s           *Store
	state       *state
	pebble      *pebble.Metrics
	disk, inUse int64
}

// metric is read off a reading. Those that etcd has too keep its names.
type metric struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
	read func(*reading) float64
}

func newMetric(kind prometheus.ValueType, name, help string, read func(*reading) float64) metric {
	return metric{desc: prometheus.NewDesc(name, help, nil, nil), kind: kind, read: read}
}

// collector reads all metrics of a store at once when they are asked for: Pebble's cost a lock and a copy.
type collector struct {
	s       *Store
	metrics []metric
}

var grantedTTLs = prometheus.NewDesc("etcd_debugging_lease_ttl_total", "Bucketed histogram of lease TTLs.", nil, nil)

func newCollector(s *Store) *collector {
	const gauge, counter = prometheus.GaugeValue, prometheus.CounterValue
	return &collector{s: s, metrics: []metric{
		newMetric(counter, "etcd_mvcc_put_total", "Puts applied, those in transactions too.",
			func(r *reading) float64 { return float64(r.s.counters.Puts.Load()) }),
		newMetric(counter, "etcd_mvcc_delete_total", "Range deletions applied, those in transactions too.",
			func(r *reading) float64 { return float64(r.s.counters.Deletes.Load()) }),
		newMetric(counter, "etcd_mvcc_txn_total", "Transactions applied.",
			func(r *reading) float64 { return float64(r.s.counters.Txns.Load()) }),
		newMetric(counter, "etcd_mvcc_range_total", "Ranges read, those in transactions too.",
			func(r *reading) float64 { return float64(r.s.counters.Ranges.Load()) }),
		newMetric(gauge, "etcd_debugging_mvcc_keys_total", "Total number of keys.",
			func(r *reading) float64 { return float64(r.state.counts.Keys()) }),
		newMetric(gauge, "etcd_debugging_mvcc_total_put_size_in_bytes", "The total size of put kv pairs seen by this member.",
			func(r *reading) float64 { return float64(r.s.counters.PutBytes.Load()) }),
		newMetric(counter, "etcd_debugging_lease_granted_total", "The total number of granted leases.",
			func(r *reading) float64 { count, _, _ := r.s.counters.granted(); return float64(count) }),
		newMetric(counter, "etcd_debugging_lease_revoked_total", "The total number of revoked leases, by clients and because they expired.",
			func(r *reading) float64 { return float64(r.s.counters.Revoked.Load()) }),
		newMetric(gauge, "etcd_mvcc_db_total_size_in_bytes", "Bytes that the state takes.",
			func(r *reading) float64 { return float64(r.disk) }),
		newMetric(gauge, "etcd_mvcc_db_total_size_in_use_in_bytes", "Bytes of the state that are in use.",
			func(r *reading) float64 { return float64(r.inUse) }),
		newMetric(gauge, "etcd_debugging_mvcc_current_revision", "The newest revision.",
			func(r *reading) float64 { return float64(r.state.revision) }),
		newMetric(gauge, "etcd_debugging_mvcc_compact_revision", "The oldest revision that can be read.",
			func(r *reading) float64 { return float64(r.state.compacted) }),
		newMetric(gauge, "quorate_store_unflushed_bytes", "Bytes that were committed and would be replayed after a crash.",
			func(r *reading) float64 { return float64(r.s.unflushed.Load()) }),
		newMetric(counter, "quorate_store_flushes_total", "Flushes of memtables to disk.",
			func(r *reading) float64 { return float64(r.pebble.Flush.Count) }),
		newMetric(gauge, "quorate_store_l0_sublevels", "Sorted runs that wait for compaction; writes stop when there are too many.",
			func(r *reading) float64 { return float64(r.pebble.Levels[0].Sublevels) }),
		newMetric(gauge, "quorate_store_compaction_debt_bytes", "Bytes that the storage engine still has to compact.",
			func(r *reading) float64 { return float64(r.pebble.Compact.EstimatedDebt) }),
		newMetric(gauge, "quorate_store_cache_bytes", "Bytes of blocks in the cache.",
			func(r *reading) float64 { return float64(r.pebble.BlockCache.Size) }),
		newMetric(gauge, "quorate_store_memtable_bytes", "Bytes of the memtables.",
			func(r *reading) float64 { return float64(r.pebble.MemTable.Size) }),
		newMetric(counter, "quorate_store_cache_hits_total", "Blocks that were in the cache.",
			func(r *reading) float64 { return float64(r.pebble.BlockCache.Hits) }),
		newMetric(counter, "quorate_store_cache_misses_total", "Blocks that were read from disk.",
			func(r *reading) float64 { return float64(r.pebble.BlockCache.Misses) }),
	}}
}

// Expose has the store's metrics taken by a registerer, which may be nil: no other store's may be there.
func (s *Store) Expose(registerer prometheus.Registerer) error {
	if registerer == nil {
		return nil
	}
	collector := newCollector(s)
	if err := registerer.Register(collector); err != nil {
		return fmt.Errorf("register the store's metrics: %w", err)
	}
	s.conceal.Store(new(func() { registerer.Unregister(collector) }))
	return nil
}

// Conceal takes the store's metrics back.
func (s *Store) Conceal() {
	if conceal := s.conceal.Swap(nil); conceal != nil {
		(*conceal)()
	}
}

func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	for _, m := range c.metrics {
		ch <- m.desc
	}
	ch <- grantedTTLs
}

func (c *collector) Collect(ch chan<- prometheus.Metric) {
	r := &reading{s: c.s, state: c.s.state.Load(), pebble: c.s.db.Metrics()}
	r.disk, r.inUse = sizeOf(c.s, r.pebble)
	for _, m := range c.metrics {
		ch <- prometheus.MustNewConstMetric(m.desc, m.kind, m.read(r))
	}
	count, buckets, sum := c.s.counters.granted()
	ch <- prometheus.MustNewConstHistogram(grantedTTLs, count, sum, buckets)
}
