package lease

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/quoratedb/quorate/services/lease/internal/lessor"
)

// metrics are counted where they happen; how many leases are granted and revoked, members count. Those that etcd has too keep its names: dashboards use them.
type metrics struct {
	renewed, expired      prometheus.Counter
	checkpointed, unknown prometheus.Counter
	revokeLeases          prometheus.Histogram
}

func newMetrics(reg prometheus.Registerer, c *core) (*metrics, error) {
	etcd := func(subsystem, name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: "etcd_debugging", Subsystem: subsystem, Name: name, Help: help,
		})
	}
	ours := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Namespace: "quorate", Subsystem: "lease", Name: name, Help: help})
	}
	m := &metrics{
		renewed:      etcd("lease", "renewed_total", "Keep-alives that renewed a lease."),
		expired:      etcd("server", "lease_expired_total", "Leases revoked because they expired."),
		checkpointed: ours("checkpointed_total", "Remaining times of long leases recorded in the log."),
		unknown:      ours("unsettled_proposals_total", "Proposals whose outcome this service did not learn."),
		revokeLeases: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: "quorate", Subsystem: "lease", Name: "revoke_leases",
			Help:    "Expired leases that one log entry revoked.",
			Buckets: prometheus.ExponentialBuckets(1, 4, 7),
		}),
	}
	if reg == nil {
		return m, nil
	}
	all := []prometheus.Collector{
		m.renewed, m.expired, m.checkpointed, m.unknown, m.revokeLeases,
	}
	var wrong []error
	for _, metric := range append(all, gauges(c)...) {
		wrong = append(wrong, reg.Register(metric))
	}
	return m, errors.Join(wrong...)
}

// gauges tell the state of the service when they are asked.
func gauges(c *core) []prometheus.Collector {
	gauge := func(name, help string, value func(lessor.Status) float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Namespace: "quorate", Subsystem: "lease", Name: name, Help: help,
		}, func() float64 {
			status, _ := c.status()
			return value(status)
		})
	}
	return []prometheus.Collector{
		gauge("leases", "Leases that are counted down here.", func(s lessor.Status) float64 { return float64(s.Leases) }),
		gauge("doomed", "Expired leases whose revoke is under way.", func(s lessor.Status) float64 { return float64(s.Revoking) }),
		gauge("epoch", "Newest lease epoch that this service acquired.", func(s lessor.Status) float64 { return float64(s.Epoch) }),
		gauge("holding", "1 while this service is the one that expires leases.", func(s lessor.Status) float64 {
			if s.Role == lessor.Active {
				return 1
			}
			return 0
		}),
	}
}
