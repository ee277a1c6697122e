package externalsort

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand"
	"os"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// Goal: records come back in order, each with its value, whether they fit in memory, in part or not at all, and equal keys in the order in which
// they were added. Method: some thousand records with many equal keys, some of which begin others, compared with a stable sort in memory; the file
// is gone at the end.
func TestRecordsComeInOrder(t *testing.T) {
	for _, c := range []struct{ runBytes, keptBytes int }{{1000, 0}, {1000, 100_000}, {1000, 1 << 20}, {1 << 20, 0}} {
		dir := t.TempDir()
		s := New(Config{Dir: dir, Pattern: "sort-*", RunBytes: c.runBytes, KeptBytes: c.keptBytes})
		rng := rand.New(rand.NewSource(2))
		var want [][2]string
		for i := range 3000 {
			key := "shared" + fmt.Sprint(rng.Intn(700)) + []string{"", "\x00", "\x00\x00", "000000000"}[rng.Intn(4)]
			value := fmt.Sprint(i) + string(make([]byte, rng.Intn(200)))
			if i == 1000 {
				value = string(make([]byte, runReadBytesMax)) // longer than a buffer
			}
			want = append(want, [2]string{key, value})
			require.NoError(t, s.Add([]byte(key), func(dst []byte) ([]byte, error) { return append(dst, value...), nil }))
		}
		slices.SortStableFunc(want, func(a, b [2]string) int { return bytes.Compare([]byte(a[0]), []byte(b[0])) })
		var got [][2]string
		require.NoError(t, s.Each(func(key, value []byte) error {
			got = append(got, [2]string{string(key), string(value)})
			return nil
		}))
		require.Equal(t, c.runBytes < 10_000, len(s.runs) > 50)
		require.Equal(t, c.runBytes+c.keptBytes < 1<<20, s.end > 0, "what is in the file")
		require.Equal(t, want, got)
		require.NoError(t, s.Close())
		require.NoError(t, s.Close())
		left, err := os.ReadDir(dir)
		require.NoError(t, err)
		require.Empty(t, left)
	}
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
}
