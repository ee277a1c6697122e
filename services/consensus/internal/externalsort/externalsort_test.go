package externalsort

import (
	"errors"
	"fmt"
	"math/rand"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// recordsFor are some thousand records with many equal keys, some of which begin others.
func recordsFor(rng *rand.Rand) (records [][2]string) {
	for i := range 3000 {
		key := "shared" + fmt.Sprint(rng.Intn(700)) + []string{"", "\x00", "\x00\x00", "000000000"}[rng.Intn(4)]
		value := fmt.Sprint(i) + string(make([]byte, rng.Intn(200)))
		if i == 1000 {
			value = string(make([]byte, runReadBytesMax)) // longer than a buffer
		}
		records = append(records, [2]string{key, value})
	}
	return records
}

func byKey(a, b [2]string) int { return strings.Compare(a[0], b[0]) }

// into returns a function that appends the records it is called with.
func into(got *[][2]string) func(key, value []byte) error {
	return func(key, value []byte) error {
		*got = append(*got, [2]string{string(key), string(value)})
		return nil
	}
}

// Goal: records come back in order, each with its value, whether they fit in memory or not, and equal keys in the order in which they were added; a stretch
// of them too. Method: compared with a stable sort in memory; the file is gone at the end.
func TestRecordsComeInOrder(t *testing.T) {
	for _, runBytes := range []int{1000, 1 << 20} {
		dir := t.TempDir()
		s := New(Config{Dir: dir, Pattern: "sort-*", RunBytes: runBytes})
		want := recordsFor(rand.New(rand.NewSource(2)))
		for _, record := range want {
			require.NoError(t, s.Add([]byte(record[0]), func(dst []byte) ([]byte, error) { return append(dst, record[1]...), nil }))
		}
		slices.SortStableFunc(want, byKey)
		var got [][2]string
		require.NoError(t, s.Each(into(&got)))
		require.Equal(t, runBytes < 10_000, len(s.runs) > 50)
		require.Equal(t, want, got)
		from, to := want[700][0], want[1900][0]
		stretch, err := s.Stretch([]byte(from), []byte(to), 2)
		require.NoError(t, err)
		got = nil
		require.NoError(t, stretch.Each(into(&got)))
		require.Equal(t, slices.DeleteFunc(slices.Clone(want), func(r [2]string) bool { return r[0] < from || r[0] >= to }), got)
		require.NoError(t, s.Close())
		require.NoError(t, s.Close())
		left, err := os.ReadDir(dir)
		require.NoError(t, err)
		require.Empty(t, left)
	}
}

// Goal: records come back from buckets in order, each with its value, whatever the bounds are, whether they fit in memory, in part or not at all, and equal keys
// in the order in which one goroutine has added them; in parts that are walked at once too. Method: two that add keys of their own, compared with
// a stable sort in memory; the file is gone at the end.
func TestBucketsComeInOrder(t *testing.T) {
	bounds := map[string][]string{
		"none": nil, "good": {"shared1", "shared300", "shared3000", "shared5"}, "one key": {"shared300"},
		"below all": {"a", "b", "shared"}, "above all": {"shared9999999999", "t", "u"}, "long": {"shared3000000000", "shared30000000000", "shared300000000000"},
	}
	for name, bounds := range bounds {
		for _, c := range []struct{ bucketBytes, keptBytes int64 }{{1 << 30, 0}, {1 << 30, 200_000}, {1 << 30, 1 << 30}, {50_000, 200_000}} {
			dir, kept := t.TempDir(), atomic.Int64{}
			var of [][]byte
			for _, bound := range bounds {
				of = append(of, []byte(bound))
			}
			b := NewBuckets(BucketsConfig{
				Dir: dir, Pattern: "sort-*", Bounds: of, BucketBytes: c.bucketBytes, RunBytes: 20_000,
				Keep: func(bytes int) bool { return kept.Add(int64(bytes)) <= c.keptBytes },
			})
			want := recordsFor(rand.New(rand.NewSource(3)))
			var all sync.WaitGroup
			for of := range 2 {
				all.Go(func() {
					a := b.Adder()
					for _, record := range want {
						if int(record[0][len("shared")])%2 == of {
							assert.NoError(t, a.Add([]byte(record[0]), len(record[1]), func(dst []byte) []byte { return append(dst, record[1]...) }))
						}
					}
					assert.NoError(t, a.End())
				})
			}
			all.Wait()
			slices.SortStableFunc(want, byKey)
			for _, walkers := range []int{1, 3} {
				parts := b.Parts(walkers)
				require.True(t, walkers == 1 || name != "good" || len(parts) >= walkers, "%d parts", len(parts))
				walked := make([][][2]string, len(parts))
				for i, part := range parts {
					all.Go(func() { assert.NoError(t, part.Each(into(&walked[i]))) })
				}
				all.Wait()
				require.Equal(t, want, slices.Concat(walked...), name)
				for i, of := range walked {
					if len(of) > 0 {
						require.GreaterOrEqual(t, of[0][0], string(parts[i].From()))
					}
				}
			}
			require.Equal(t, c.keptBytes < 1<<30, b.mu.end > 0, "what is in the file")
			require.NoError(t, b.Close())
			require.NoError(t, b.Close())
			left, err := os.ReadDir(dir)
			require.NoError(t, err)
			require.Empty(t, left)
		}
	}
}

// Goal: those who walk parts come to their end at about the same time. Method: the first parts of many buckets of a size are shares of what is left, and the
// last ones a bucket.
func TestPartsBecomeSmaller(t *testing.T) {
	bounds := make([][]byte, 63)
	for i := range bounds {
		bounds[i] = []byte{byte(i + 1)}
	}
	b := NewBuckets(BucketsConfig{Bounds: bounds, Keep: func(int) bool { return true }})
	defer func() { require.NoError(t, b.Close()) }()
	a := b.Adder()
	for i := range len(bounds) + 1 {
		require.NoError(t, a.Add([]byte{byte(i)}, 0, func(dst []byte) []byte { return dst }))
	}
	require.NoError(t, a.End())
	var sizes []int
	for _, part := range b.Parts(2) {
		sizes = append(sizes, part.to-part.from)
	}
	require.Equal(t, []int{16, 12, 9, 7, 5, 4, 3, 2, 2, 1, 1, 1, 1}, sizes)
}

// Goal: what fails on the way is told, and leaves no file. Method: a value that cannot be made, a directory that is not there, a reader that
// wants no more.
func TestFailuresAreTold(t *testing.T) {
	broken := errors.New("broken")
	dir := t.TempDir()
	s := New(Config{Dir: dir, Pattern: "sort-*", RunBytes: 10})
	value := func(dst []byte) ([]byte, error) { return append(dst, "value"...), nil }
	require.ErrorIs(t, s.Add([]byte("k"), func([]byte) ([]byte, error) { return nil, broken }), broken)
	for range 10 {
		require.NoError(t, s.Add([]byte("key"), value))
	}
	require.ErrorIs(t, s.Each(func(_, _ []byte) error { return broken }), broken)
	require.NoError(t, s.Close())
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, left)

	s = New(Config{Dir: dir + "/none", Pattern: "sort-*", RunBytes: 10})
	require.ErrorIs(t, s.Add([]byte("key"), value), os.ErrNotExist)
	require.NoError(t, s.Close())

	b := NewBuckets(BucketsConfig{Dir: dir + "/none", Pattern: "sort-*", BucketBytes: 1000, RunBytes: 1000})
	a := b.Adder()
	require.NoError(t, a.Add([]byte("key"), 0, func(dst []byte) []byte { return dst }))
	require.ErrorIs(t, a.End(), os.ErrNotExist)
	require.NoError(t, b.Close())

	b = NewBuckets(BucketsConfig{Dir: dir, Pattern: "sort-*", BucketBytes: 1000, RunBytes: 1000})
	a = b.Adder()
	require.NoError(t, a.Add([]byte("key"), 0, func(dst []byte) []byte { return dst }))
	require.NoError(t, a.End())
	require.ErrorIs(t, b.Parts(1)[0].Each(func(_, _ []byte) error { return broken }), broken)
	require.NoError(t, b.Close())
}
