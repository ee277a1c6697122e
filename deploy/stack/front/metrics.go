package front

import "github.com/prometheus/client_golang/prometheus"

// metrics say what a front does.
type metrics struct {
	passed, turnedAway prometheus.Counter
	connections        prometheus.GaugeFunc
	nodes              [ready + 1]prometheus.GaugeFunc
}

func newMetrics(p *pool) metrics {
	m := metrics{
		passed: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "quorate_front_connections_passed_total", Help: "Connections of clients that were passed on to a node.",
		}),
		turnedAway: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "quorate_front_connections_turned_away_total", Help: "Connections of clients that were closed because no node took them.",
		}),
		connections: prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "quorate_front_connections", Help: "Connections of clients that are passed on to a node now.",
		}, func() float64 { return float64(p.carried()) }),
	}
	for is := range m.nodes {
		m.nodes[is] = prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "quorate_front_nodes", Help: "Nodes by what they answered last: ready, alive without being ready, or gone.",
			ConstLabels: prometheus.Labels{"is": condition(is).String()},
		}, func() float64 { return float64(p.count(condition(is))) })
	}
	return m
}

// Collectors returns what the front measures of itself.
func (f *Front) Collectors() []prometheus.Collector {
	all := []prometheus.Collector{f.metrics.passed, f.metrics.turnedAway, f.metrics.connections}
	for _, nodes := range f.metrics.nodes {
		all = append(all, nodes)
	}
	return all
}
