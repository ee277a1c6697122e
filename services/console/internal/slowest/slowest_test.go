package slowest

import (
	"testing"
	"time"
)

// Goal: the ten slowest of a method are kept, the slowest first, others and what is too old are not. Method: add twelve, then wait two hours.
func TestTheSlowestAreKept(t *testing.T) {
	var l List
	now := time.Unix(1_000_000, 0)
	for _, ms := range []int{5, 12, 7, 1, 9, 2, 11, 3, 8, 4, 10, 6} {
		took := time.Duration(ms) * time.Millisecond
		if !l.Wants("m", took, now) {
			continue
		}
		l.Add(Request{Method: "m", At: now, Took: took}, now)
	}
	kept := l.All(now)
	if len(kept) != 10 || kept[0].Took != 12*time.Millisecond || kept[9].Took != 3*time.Millisecond {
		t.Errorf("%v", kept)
	}
	if l.Wants("m", 3*time.Millisecond, now) || l.Wants("other", time.Microsecond, now) || !l.Wants("other", time.Millisecond, now) {
		t.Error("what is not slower than what is kept, or not slow at all, is not wanted; the first of a method is")
	}
	later := now.Add(Kept + time.Second)
	if !l.Wants("m", time.Millisecond, later) || len(l.All(later)) != 0 {
		t.Error("what is too old makes room, and is not told")
	}
}
