package front_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
)

// measured is what the front says of itself now, by metric and condition of nodes.
func (s *stand) measured() map[string]float64 {
	s.t.Helper()
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(s.front.Collectors()...)
	families, err := registry.Gather()
	require.NoError(s.t, err)
	all := map[string]float64{}
	for _, family := range families {
		for _, one := range family.GetMetric() {
			name := family.GetName()
			for _, label := range one.GetLabel() {
				name += " " + label.GetValue()
			}
			all[name] = one.GetGauge().GetValue() + one.GetCounter().GetValue()
		}
	}
	return all
}

// Goal: a front tells how many connections it carries, has carried and has turned away, and how many nodes are in which condition. Method: a connection that
// is held and ends, a node that is not ready, one that is silent and takes no connection either.
func TestMetrics(t *testing.T) {
	s := start(t)
	s.eventually("127.0.0.1", "127.0.0.2")
	until := func(want func(map[string]float64) bool) {
		t.Helper()
		require.Eventually(t, func() bool { return want(s.measured()) }, 30*time.Second, 20*time.Millisecond, "%v", s.measured())
	}
	until(func(m map[string]float64) bool {
		return m["quorate_front_nodes ready"] == 2 && m["quorate_front_nodes gone"] == 0
	})
	before := s.measured()
	held, _ := s.connect()
	until(func(m map[string]float64) bool {
		return m["quorate_front_connections"] >= 1 && m["quorate_front_connections_passed_total"] == before["quorate_front_connections_passed_total"]+1
	})
	require.Zero(t, s.measured()["quorate_front_connections_turned_away_total"]-before["quorate_front_connections_turned_away_total"])
	s.one.status.Store(http.StatusServiceUnavailable)
	s.two.status.Store(0)
	until(func(m map[string]float64) bool {
		return m["quorate_front_nodes ready"] == 0 && m["quorate_front_nodes alive"] == 1 && m["quorate_front_nodes gone"] == 1
	})
	require.NoError(t, held.Close())
	require.NoError(t, s.one.listener.Close())
	require.NoError(t, s.two.listener.Close())
	s.eventually("")
	until(func(m map[string]float64) bool {
		return m["quorate_front_connections_turned_away_total"] > before["quorate_front_connections_turned_away_total"]
	})
}
