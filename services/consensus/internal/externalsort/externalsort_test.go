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

// Goal: records come back in order, each with its value, whether they fit in memory or not, and equal keys in the order in which they were
// added. Method: some thousand records with many equal keys, compared with a stable sort in memory; the file is gone at the end.
func TestRecordsComeInOrder(t *testing.T) {
	for _, runBytes := range []int{1000, 1 << 20} {
		dir := t.TempDir()
		s := New(Config{Dir: dir, Pattern: "sort-*", RunBytes: runBytes, Compare: bytes.Compare})
		rng := rand.New(rand.NewSource(2))
		var want [][2]string
		for i := range 3000 {
			key := fmt.Sprint(rng.Intn(700))
			value := fmt.Sprint(i) + string(make([]byte, rng.Intn(200)))
			want = append(want, [2]string{key, value})
			require.NoError(t, s.Add([]byte(key), func(dst []byte) ([]byte, error) { return append(dst, value...), nil }))
		}
		slices.SortStableFunc(want, func(a, b [2]string) int { return bytes.Compare([]byte(a[0]), []byte(b[0])) })
		var got [][2]string
		require.NoError(t, s.Each(func(key, value []byte) error {
			got = append(got, [2]string{string(key), string(value)})
			return nil
		}))
		require.Equal(t, runBytes < 10_000, len(s.runs) > 50)
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
	s := New(Config{Dir: dir, Pattern: "sort-*", RunBytes: 10, Compare: bytes.Compare})
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

	s = New(Config{Dir: dir + "/none", Pattern: "sort-*", RunBytes: 10, Compare: bytes.Compare})
	require.ErrorIs(t, s.Add([]byte("key"), value), os.ErrNotExist)
	require.NoError(t, s.Close())
}
