package externalsort

// Part is a stretch of all that a Sorter has sorted.
type Part struct {
	s *Sorter
	// from is the first key, and to the one behind the last, nil for the ends.
	from, to []byte
	// of is how many parts there are.
	of int
}

// Stretch is the part of keys from one up to another, nil for the ends, beside so many others. The Sorter takes no more records.
func (s *Sorter) Stretch(from, to []byte, of int) (Part, error) {
	return Part{s: s, from: from, to: to, of: of}, s.endLast()
}

// Each calls fn with the part's records in the order of keys. fn may not keep the slices.
func (p Part) Each(fn func(key, value []byte) error) error { return p.s.merge(p, fn) }
