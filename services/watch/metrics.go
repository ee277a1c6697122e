package watch

import "github.com/prometheus/client_golang/prometheus"

// collectors returns the metrics of a node among several.
func (s *Service) collectors() []prometheus.Collector {
	if s.cfg.Routes == nil {
		return nil
	}
	gauge := func(name, help string, value func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value)
	}
	return []prometheus.Collector{
		gauge("quorate_watch_ingesting", "1 while this node ingests the commit feed for all watch nodes.",
			func() float64 {
				if s.ingesting.Load() {
					return 1
				}
				return 0
			}),
		gauge("quorate_watch_routes", "Other watch nodes that this one has a route to.",
			func() float64 { return float64(s.routes()) }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "quorate_watch_duties_total", Help: "Times that this node began to ingest the commit feed.",
		}, func() float64 { return float64(s.duties.Load()) }),
	}
}

func (s *Service) routes() int {
	if bus := s.bus.Load(); bus != nil {
		return bus.Server().RouteCount()
	}
	return 0
}
