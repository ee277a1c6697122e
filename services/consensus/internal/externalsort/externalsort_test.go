package externalsort

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand"
	"os"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Goal: records come back in order, each with its value, whether they fit in memory, in part or not at all, and equal keys in the order in which
// they were added; in parts that are walked at once too. Method: some thousand records with many equal keys, some of which begin others, compared
// with a stable sort in memory; the file is gone at the end.
func TestRecordsComeInOrder(t *testing.T) {
	for _, c := range []struct{ runBytes, keptBytes int }{{1000, 0}, {1000, 100_000}, {1000, 1 << 20}, {1 << 20, 0}} {
		dir := t.TempDir()
		kept := 0
		s := New(Config{Dir: dir, Pattern: "sort-*", RunBytes: c.runBytes, Keep: func(bytes int) bool {
			if kept+bytes > c.keptBytes {
				return false
			}
			kept += bytes
			return true
		}})
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
		parts, err := s.Parts(3, func(key []byte) []byte { return key[:len(key)-1] })
		require.NoError(t, err)
		require.Len(t, parts, 3)
		walked := make([][][2]string, len(parts))
		var all sync.WaitGroup
		for i, part := range parts {
			all.Go(func() {
				assert.NoError(t, part.Each(func(key, value []byte) error {
					walked[i] = append(walked[i], [2]string{string(key), string(value)})
					return nil
				}))
			})
		}
		all.Wait()
		require.Equal(t, want, slices.Concat(walked...))
		for i, of := range walked {
			require.Greater(t, len(of), len(want)/6)
			require.GreaterOrEqual(t, of[0][0], string(parts[i].From()))
		}
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
