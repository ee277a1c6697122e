package bench

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"
)

// recorder keeps how long requests took. Its methods may be called concurrently.
type recorder struct {
	mu struct {
		sync.Mutex
		kinds  map[string]*kind
		order  []string
		failed map[string]int // how often each error came
		ends   []func()
	}
}

// kind is what is measured of one kind of request.
type kind struct {
	took   []time.Duration
	failed int
}

func newRecorder() *recorder {
	r := &recorder{}
	r.mu.kinds, r.mu.failed = map[string]*kind{}, map[string]int{}
	return r
}

// add takes in a request that was due at a time and has ended now.
func (r *recorder) add(name string, due time.Time, err error) error {
	took := time.Since(due)
	r.mu.Lock()
	defer r.mu.Unlock()
	k := r.mu.kinds[name]
	if k == nil {
		k = &kind{}
		r.mu.kinds[name] = k
		r.mu.order = append(r.mu.order, name)
	}
	if err != nil {
		k.failed++
		r.mu.failed[err.Error()]++
		return err
	}
	k.took = append(k.took, took)
	return nil
}

// atEnd has a function run once all requests have been sent.
func (r *recorder) atEnd(end func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.mu.ends = append(r.mu.ends, end)
}

func (r *recorder) finish() {
	r.mu.Lock()
	ends := r.mu.ends
	r.mu.ends = nil
	r.mu.Unlock()
	for _, end := range ends {
		end()
	}
}

// errors are the errors that came, each with how often.
func (r *recorder) errors() (texts []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, text := range slices.Sorted(maps.Keys(r.mu.failed)) {
		texts = append(texts, fmt.Sprintf("%s (%d times)", text, r.mu.failed[text]))
	}
	return texts
}

// summary is what came of one kind of request, as JSON has it: times are nanoseconds.
type summary struct {
	Name      string        `json:"request"`
	Count     int           `json:"count"`
	Failed    int           `json:"failed"`
	PerSecond float64       `json:"per_second"`
	Mean      time.Duration `json:"mean"`
	P50       time.Duration `json:"p50"`
	P90       time.Duration `json:"p90"`
	P99       time.Duration `json:"p99"`
	P999      time.Duration `json:"p99_9"`
	Max       time.Duration `json:"max"`
}

// summaries are those of all kinds, in the order in which they came first.
func (r *recorder) summaries(total time.Duration) (all []summary) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, name := range r.mu.order {
		k := r.mu.kinds[name]
		slices.Sort(k.took)
		s := summary{Name: name, Count: len(k.took), Failed: k.failed, PerSecond: float64(len(k.took)) / total.Seconds()}
		if n := len(k.took); n > 0 {
			sum := time.Duration(0)
			for _, took := range k.took {
				sum += took
			}
			s.Mean, s.Max = sum/time.Duration(n), k.took[n-1]
			s.P50, s.P90, s.P99, s.P999 = percentile(k.took, 50), percentile(k.took, 90), percentile(k.took, 99), percentile(k.took, 99.9)
		}
		all = append(all, s)
	}
	return all
}

// percentile is the least of ordered times that is not exceeded by more than the rest of a hundred.
func percentile(ordered []time.Duration, p float64) time.Duration {
	at := int(float64(len(ordered))*p/100+0.9999999) - 1
	return ordered[min(max(at, 0), len(ordered)-1)]
}
