package prefixquota

import (
	"fmt"
	"maps"
	"slices"

	"github.com/quoratedb/quorate/pkg/errdefs"
)

// Check tells whether a change of one key would lead beyond a hard limit of any prefix that the key begins with, or further beyond one
// that is passed already: errdefs.ErrQuotaExceeded. It is for the goroutine that applies.
func (s *State) Check(key []byte, change Use) error {
	if change.Keys <= 0 && change.Bytes <= 0 {
		return nil
	}
	for i := s.longest(key); i >= 0; i = s.entries[i].parent {
		if err := s.entries[i].check(change); err != nil {
			return err
		}
	}
	return nil
}

func (q *quota) check(change Use) error {
	if q.spec.GetCounting() {
		return nil
	}
	limits, now := q.spec.GetLimits(), q.meter.now
	if change.Keys > 0 && beyond(now.Keys+change.Keys, limits.GetHardKeys()) {
		return q.exceeded("keys", now.Keys, change.Keys, limits.GetHardKeys())
	}
	if change.Bytes > 0 && beyond(now.Bytes+change.Bytes, limits.GetHardBytes()) {
		return q.exceeded("bytes", now.Bytes, change.Bytes, limits.GetHardBytes())
	}
	return nil
}

func (q *quota) exceeded(unit string, use, more, limit int64) error {
	return &exceeded{q.meter, fmt.Errorf("%w: prefix %q has %d of %d %s in use, this would be %d more", errdefs.ErrQuotaExceeded, q.prefix, use, limit, unit, more)}
}

// exceeded knows whose refusal it is.
type exceeded struct {
	of *meter
	error
}

func (e *exceeded) Unwrap() error { return e.error }

// Tally adds up changes that take effect together. It is for the goroutine that applies, as long as nothing else is applied.
type Tally struct {
	s       *State
	changes map[int]Use
}

// Tally begins with nothing.
func (s *State) Tally() *Tally { return &Tally{s, make(map[int]Use)} }

// Add adds a change of a key.
func (t *Tally) Add(key []byte, change Use) {
	for i := t.s.longest(key); i >= 0; i = t.s.entries[i].parent {
		t.changes[i] = t.changes[i].plus(change)
	}
}

// Check is State.Check for all that was added.
func (t *Tally) Check() error {
	for _, i := range slices.Backward(slices.Sorted(maps.Keys(t.changes))) { // on every member the same one, and longer prefixes first
		if err := t.s.entries[i].check(t.changes[i]); err != nil {
			return err
		}
	}
	return nil
}
