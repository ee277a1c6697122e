package count

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// keySet is the naive index: the keys, in order.
type keySet []string

func (s *keySet) change(c Change) bool {
	i, found := slices.BinarySearch(*s, c.Key)
	switch {
	case c.Delta > 0 && !found:
		*s = slices.Insert(*s, i, c.Key)
	case c.Delta < 0 && found:
		*s = slices.Delete(*s, i, i+1)
	default:
		return false
	}
	return true
}

func (s keySet) within(low, high string, unbounded bool) []string {
	from, _ := slices.BinarySearch(s, low)
	to := len(s)
	if !unbounded {
		to, _ = slices.BinarySearch(s, high)
	}
	return s[min(from, to):to]
}

func (s keySet) split(low, high string, unbounded bool) ([]Bucket, error) {
	c := NewCutter(low)
	for _, k := range s.within(low, high, unbounded) {
		c.Add([]byte(k))
	}
	return c.Buckets(), nil
}

// count asks the index, and counts the edges as its user does.
func (s keySet) count(t *testing.T, x *Index, low, high string, unbounded bool) int64 {
	t.Helper()
	n, edges := x.Between(low, high, unbounded)
	require.LessOrEqual(t, len(edges), 2)
	for _, e := range edges {
		in := int64(len(s.within(e.Low, e.High, e.Unbounded)))
		require.LessOrEqual(t, in, e.Keys)
		require.LessOrEqual(t, in, int64(BucketKeysMax), "an edge is too large to be counted in passing")
		if e.Rest != nil {
			require.Equal(t, e.Keys, in+int64(len(s.within(e.Rest.Low, e.Rest.High, e.Rest.Unbounded))), "the rest of a bucket")
		}
		n += in
	}
	return n
}

// The index counts what a sorted list of the keys counts, and what it reports as changed and removed describes it. Keys
// come and go, singly and in masses, while a copy of the buckets is kept by the reports alone.
func TestIndexAgreesWithKeys(t *testing.T) {
	for seed := range uint64(3) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 0))
			keys, x, stored := keySet{}, New(nil), map[string]int64{}
			for step := range 60 {
				key := func() string { return fmt.Sprintf("%05d", r.IntN(20_000)) }
				var changes []Change
				add := func(c Change) {
					if keys.change(c) {
						changes = append(changes, c)
					}
				}
				switch low := r.IntN(20_000); {
				case step%10 == 9:
					for _, k := range slices.Clone(keys.within(fmt.Sprintf("%05d", low), fmt.Sprintf("%05d", low+r.IntN(8_000)), false)) {
						add(Change{k, -1})
					}
				case step%3 == 0:
					for i := range 1000 {
						add(Change{fmt.Sprintf("%05d", low+i), 1})
					}
				default:
					for range 500 {
						add(Change{key(), 1 - 2*int64(r.IntN(2))})
					}
				}
				before, held := x, x.Keys()
				// A key may come and go in one step.
				u, err := x.Update(slices.Clone(changes), keys.split)
				require.NoError(t, err)
				x = u.Index
				require.Equal(t, held, before.Keys(), "the old index has changed")
				for _, low := range u.Removed {
					require.Contains(t, stored, low)
					delete(stored, low)
				}
				for _, b := range u.Changed {
					stored[b.Low] = b.Keys
				}
				requireStored(t, x, stored)
				for range 20 {
					low, high, unbounded := key(), key(), r.IntN(5) == 0
					require.Equal(t, int64(len(keys.within(low, high, unbounded))), keys.count(t, x, low, high, unbounded))
					if within, some := x.Within(low, high); some {
						require.True(t, low < within && within <= high)
						_, edges := x.Between(within, "", true)
						require.Empty(t, edges, "a bucket begins there")
					}
					populated, some := x.Populated(low)
					require.Equal(t, len(keys.within(low, "", true)) > 0 || some, some, "keys are passed over")
					require.Empty(t, keys.within(low, populated, !some), "keys are passed over")
				}
			}
		})
	}
}

// requireStored fails unless the buckets that were stored make the same index. The first may be missing until it is
// changed.
func requireStored(t *testing.T, x *Index, stored map[string]int64) {
	t.Helper()
	var want []Bucket
	for low, keys := range stored {
		want = append(want, Bucket{low, keys})
	}
	slices.SortFunc(want, func(a, b Bucket) int { return cmpLow(a, b) })
	again := New(want)
	require.Equal(t, x.Keys(), again.Keys())
	var have, loaded []Bucket
	for _, g := range x.groups {
		require.NotEmpty(t, g.buckets)
		require.LessOrEqual(t, len(g.buckets), groupBucketsMax+groupBucketsSmall)
		have = append(have, g.buckets...)
	}
	for _, g := range again.groups {
		loaded = append(loaded, g.buckets...)
	}
	require.Equal(t, have, loaded)
}

func cmpLow(a, b Bucket) int {
	switch {
	case a.Low < b.Low:
		return -1
	case a.Low > b.Low:
		return 1
	}
	return 0
}

// Keys that come at one end and go at the other leave no buckets behind: a window of keys moves through the key space.
func TestIndexForgetsWhatMovedOn(t *testing.T) {
	keys, x := keySet{}, New(nil)
	const window = 5000
	for i := 0; i < 15*window; i += 500 {
		var changes []Change
		for j := i; j < i+500; j++ {
			changes = append(changes, Change{fmt.Sprintf("%09d", j), 1})
			keys.change(changes[len(changes)-1])
			if j >= window {
				changes = append(changes, Change{fmt.Sprintf("%09d", j-window), -1})
				keys.change(changes[len(changes)-1])
			}
		}
		u, err := x.Update(changes, keys.split)
		require.NoError(t, err)
		x = u.Index
	}
	require.Equal(t, int64(window), x.Keys())
	require.Less(t, x.Buckets(), 4*window/BucketKeysMax)
	require.Less(t, len(x.groups), 4)
}
