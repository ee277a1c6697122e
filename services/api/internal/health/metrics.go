package health

import "github.com/prometheus/client_golang/prometheus"

// metrics are etcd's.
type metrics struct {
	success, failure prometheus.Counter
	last             *prometheus.GaugeVec
	total            *prometheus.CounterVec
}

func newMetrics() *metrics {
	return &metrics{
		success: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "etcd_server_health_success", Help: "The total number of successful health checks",
		}),
		failure: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "etcd_server_health_failures", Help: "The total number of failed health checks",
		}),
		last: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "etcd_server_healthcheck", Help: "The result of each kind of healthcheck.",
		}, []string{"type", "name"}),
		total: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "etcd_server_healthchecks_total", Help: "The total number of each kind of healthcheck.",
		}, []string{"type", "name", "status"}),
	}
}

func (m *metrics) register(registerer prometheus.Registerer) {
	registerer.MustRegister(m.success, m.failure, m.last, m.total)
}

func (m *metrics) overall(ok bool) {
	if ok {
		m.success.Inc()
	} else {
		m.failure.Inc()
	}
}

func (m *metrics) probe(kind, name string, ok bool) {
	result, value := "error", 0.0
	if ok {
		result, value = "success", 1
	}
	m.last.WithLabelValues(kind, name).Set(value)
	m.total.WithLabelValues(kind, name, result).Inc()
}
