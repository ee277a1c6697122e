package series

import (
	"maps"
	"math"
	"slices"
	"strings"

	dto "github.com/prometheus/client_model/go"
)

// sample is what one series' metric was at one time.
type sample struct {
	value  float64
	counts map[float64]uint64 // of a histogram: observations up to each bound, and +Inf for all
	there  bool
}

func takeSample(d *definition, family *dto.MetricFamily) sample {
	var s sample
	for _, m := range family.GetMetric() {
		if !matches(d.labels, m) {
			continue
		}
		s.there = true
		switch {
		case m.GetCounter() != nil:
			s.value += m.GetCounter().GetValue()
		case m.GetGauge() != nil:
			s.value += m.GetGauge().GetValue()
		case m.GetUntyped() != nil:
			s.value += m.GetUntyped().GetValue()
		case m.GetHistogram() != nil:
			if s.counts == nil {
				s.counts = map[float64]uint64{}
			}
			h := m.GetHistogram()
			for _, bucket := range h.GetBucket() {
				s.counts[bucket.GetUpperBound()] += bucket.GetCumulativeCount()
			}
			if last := h.GetBucket(); len(last) == 0 || !math.IsInf(last[len(last)-1].GetUpperBound(), 1) {
				s.counts[math.Inf(1)] += h.GetSampleCount()
			}
		}
	}
	return s
}

func matches(labels map[string]string, m *dto.Metric) bool {
	for name, wanted := range labels {
		value := ""
		for _, label := range m.GetLabel() {
			if label.GetName() == name {
				value = label.GetValue()
			}
		}
		if unwanted, not := strings.CutPrefix(wanted, "!"); not && value == unwanted || !not && value != wanted {
			return false
		}
	}
	return true
}

// point is what to show for a series whose samples are these, so many seconds apart.
func point(r reading, before, now sample, apart float64) float64 {
	switch {
	case !now.there:
		return math.NaN()
	case r == level:
		return now.value
	case !before.there || apart <= 0:
		return math.NaN()
	case r == rate:
		if now.value < before.value {
			return math.NaN() // it began anew
		}
		return (now.value - before.value) / apart
	case r == median:
		return quantile(0.5, before.counts, now.counts)
	}
	return quantile(0.99, before.counts, now.counts)
}

// quantile of what was observed between two times, by straight lines between a histogram's bounds; NaN where nothing was.
func quantile(q float64, before, now map[float64]uint64) float64 {
	bounds := slices.Sorted(maps.Keys(now))
	total := now[math.Inf(1)] - before[math.Inf(1)]
	if total == 0 || total > now[math.Inf(1)] {
		return math.NaN()
	}
	rank := q * float64(total)
	lower, below := 0.0, 0.0
	for _, bound := range bounds {
		upTo := float64(now[bound] - before[bound])
		if upTo >= rank && upTo > below {
			if math.IsInf(bound, 1) {
				return lower
			}
			return lower + (bound-lower)*(rank-below)/(upTo-below)
		}
		lower, below = bound, upTo
	}
	return math.NaN()
}
