package mvcc

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/cockroachdb/pebble/v2/cockroachkvs"
)

const (
	// defragmentStretchBytes is about how much one step of Defragment rewrites: it needs as much room again until it is done.
	defragmentStretchBytes = 64 << 20
	// defragmentRest is how long Defragment rests after each step, in times of what the step took.
	defragmentRest = 1
)

// Defragment has Pebble rewrite all that is stored without what was deleted, one stretch of keys after the other. Readers
// and batches go on meanwhile. Pebble does the same by itself, where there is enough to be gained.
func (s *Store) Defragment(ctx context.Context) error {
	if err := s.Flush(); err != nil {
		return err
	}
	stretches, err := stretches(s)
	if err != nil {
		return fmt.Errorf("defragment: %w", err)
	}
	for i := range len(stretches) - 1 {
		begun := time.Now()
		if err := s.db.Compact(ctx, stretches[i], stretches[i+1], false); err != nil {
			return fmt.Errorf("defragment: %w", err)
		}
		if !rest(ctx, defragmentRest*time.Since(begun)) {
			return fmt.Errorf("defragment: %w", context.Cause(ctx))
		}
	}
	return nil
}

// stretches returns keys that cut what is stored into pieces of about defragmentStretchBytes, the lowest and the highest
// key included.
func stretches(s *Store) ([][]byte, error) {
	levels, err := s.db.SSTables()
	if err != nil {
		return nil, err
	}
	type table struct {
		low  []byte
		size uint64
	}
	var tables []table
	for _, level := range levels {
		for i := range level {
			tables = append(tables, table{level[i].Smallest.UserKey, level[i].Size})
		}
	}
	slices.SortFunc(tables, func(a, b table) int { return cockroachkvs.Compare(a.low, b.low) })
	cuts := [][]byte{{0}}
	size := uint64(0)
	for _, t := range tables {
		if size >= defragmentStretchBytes && !bytes.Equal(t.low, cuts[len(cuts)-1]) {
			cuts, size = append(cuts, t.low), 0
		}
		size += t.size
	}
	return append(cuts, []byte{0xff, 0}), nil
}
