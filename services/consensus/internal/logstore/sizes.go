package logstore

import "sort"

// sizes knows about how many bytes of entries the log holds above any index, from marks that are sizeMarkBytes apart.
type sizes struct {
	marks []sizeMark
	// total is the bytes of all entries since the first one that was counted, gone those of them that were truncated.
	total, gone uint64
}

// sizeMark says that the entries up to index are the first so many bytes.
type sizeMark struct{ index, bytes uint64 }

// add counts an entry that is put at the end.
func (s *sizes) add(index, bytes uint64) {
	s.total += bytes
	marked := s.gone
	if n := len(s.marks); n > 0 {
		marked = s.marks[n-1].bytes
	}
	if s.total-marked >= sizeMarkBytes {
		s.marks = append(s.marks, sizeMark{index, s.total})
	}
}

// precede counts entries in front of all others, unless some of those are gone already.
func (s *sizes) precede(by sizes) {
	if s.gone > 0 {
		return
	}
	for i := range s.marks {
		s.marks[i].bytes += by.total
	}
	s.marks = append(by.marks, s.marks...)
	s.total += by.total
}

// cutFrom forgets the entries at index and above, as far back as there is a mark.
func (s *sizes) cutFrom(index uint64) {
	n := sort.Search(len(s.marks), func(i int) bool { return s.marks[i].index >= index })
	if s.marks = s.marks[:n]; n > 0 {
		s.total = s.marks[n-1].bytes
	} else {
		s.total = s.gone
	}
}

// cutTo forgets the entries at index and below, as far as there is a mark.
func (s *sizes) cutTo(index uint64) {
	if n := sort.Search(len(s.marks), func(i int) bool { return s.marks[i].index > index }); n > 0 {
		s.gone = s.marks[n-1].bytes
		s.marks = append([]sizeMark(nil), s.marks[n:]...)
	}
}

// above returns the bytes of the entries above index, and at most sizeMarkBytes and an entry more.
func (s *sizes) above(index uint64) uint64 {
	n := sort.Search(len(s.marks), func(i int) bool { return s.marks[i].index > index })
	if n == 0 {
		return s.total - s.gone
	}
	return s.total - s.marks[n-1].bytes
}

// keeping returns the newest marked index above which there are so many bytes, 0 if there are not.
func (s *sizes) keeping(bytes uint64) uint64 {
	n := sort.Search(len(s.marks), func(i int) bool { return s.total-s.marks[i].bytes < bytes })
	if n == 0 {
		return 0
	}
	return s.marks[n-1].index
}

// BytesAbove returns about how many bytes the entries above index have.
func (s *Store) BytesAbove(index uint64) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mu.sizes.above(index)
}

// IndexKeeping returns the newest index above which there are about so many bytes of entries, 0 if the log has less.
func (s *Store) IndexKeeping(bytes uint64) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mu.sizes.keeping(bytes)
}
