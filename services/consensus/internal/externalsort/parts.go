package externalsort

import (
	"bytes"
	"slices"
)

// Part is a stretch of all that a Sorter has sorted.
type Part struct {
	s *Sorter
	// from is the first key, and to the one behind the last, nil for the ends.
	from, to []byte
	// of is how many parts there are.
	of int
}

// Parts cuts all that was added into up to n parts of about the same size. What each begins with is made by boundary of a key of its first records,
// and must not be above it. Parts may be walked at the same time. The Sorter takes no more records.
func (s *Sorter) Parts(n int, boundary func(key []byte) []byte) ([]Part, error) {
	if err := s.endLast(); err != nil {
		return nil, err
	}
	var keys [][]byte
	for i := range s.runs {
		for _, m := range s.runs[i].marks {
			keys = append(keys, m.key)
		}
	}
	slices.SortFunc(keys, bytes.Compare)
	parts := []Part{{s: s}}
	for i := 1; i < n && len(keys) > n; i++ {
		last := &parts[len(parts)-1]
		if at := boundary(keys[i*len(keys)/n]); bytes.Compare(at, last.from) > 0 {
			last.to = at
			parts = append(parts, Part{s: s, from: at})
		}
	}
	for i := range parts {
		parts[i].of = len(parts)
	}
	return parts, nil
}

// Stretch is the part of keys from one up to another, nil for the ends, beside so many others. The Sorter takes no more records.
func (s *Sorter) Stretch(from, to []byte, of int) (Part, error) {
	return Part{s: s, from: from, to: to, of: of}, s.endLast()
}

// From is what the part begins with, nil for the first one.
func (p Part) From() []byte { return p.from }

// Each calls fn with the part's records in the order of keys. fn may not keep the slices.
func (p Part) Each(fn func(key, value []byte) error) error { return p.s.merge(p, fn) }
