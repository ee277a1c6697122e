package mvcc

import (
	"context"
	"fmt"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// timed is a store whose entries come at times of a test's choice.
type timed struct {
	*Store
	index uint64
}

func (s *timed) put(t *testing.T, at int64) {
	t.Helper()
	s.apply(t, at, &consensusv1.Command{Command: &consensusv1.Command_Put{Put: &consensusv1.PutOp{Key: []byte("k"), Value: []byte("v")}}})
}

func (s *timed) apply(t *testing.T, at int64, c *consensusv1.Command) {
	t.Helper()
	s.index++
	b := begin(s.Store)
	b.SetTime(at)
	_, _, err := b.Apply(c)
	require.NoError(t, err)
	b.SetApplied(s.index, 1)
	require.NoError(t, b.Commit())
}

// times are those of revisions 2 and up, -1 for not known.
func (s *timed) times(t *testing.T) []int64 {
	t.Helper()
	var found []int64
	for revision := int64(2); revision <= s.Revision(); revision++ {
		at, known, err := s.TimeOf(context.Background(), revision)
		require.NoError(t, err)
		if !known {
			at = -1
		}
		found = append(found, at)
	}
	return found
}

func (s *timed) rows(t *testing.T) (n int) {
	t.Helper()
	lower, upper := spaceTime.bounds()
	require.NoError(t, s.each(lower, upper, func(_, _ []byte) error { n++; return nil }))
	return n
}

// Revisions get the times of their entries, a row for each second at most, a clock that is set back does not make time go back,
// also over a restart, and compaction takes the rows below what can be read.
func TestRevisionsHaveTimes(t *testing.T) {
	fs := vfs.NewMem()
	const s0 = 1_800_000_000 * timeStep
	open := func(index uint64) *timed {
		return &timed{openMem(t, fs), index}
	}
	s := open(0)
	s.put(t, 0) // an entry of before there were times
	require.Equal(t, []int64{-1}, s.times(t))
	for _, at := range []int64{s0, s0 + timeStep/2, s0 + timeStep, s0 - 100*timeStep, s0 + 5*timeStep} {
		s.put(t, at)
	}
	want := []int64{-1, s0, s0, s0 + timeStep, s0 + timeStep, s0 + 5*timeStep}
	require.Equal(t, want, s.times(t))
	require.Equal(t, 3, s.rows(t))

	require.NoError(t, s.Close())
	s = open(s.index)
	require.Equal(t, want, s.times(t))
	s.put(t, s0)
	require.Equal(t, append(want, s0+5*timeStep), s.times(t), "time does not go back over a restart")

	s.apply(t, 0, &consensusv1.Command{Command: &consensusv1.Command_Compact{Compact: &consensusv1.CompactOp{Revision: 6}}})
	require.NoError(t, s.compactNow())
	require.Equal(t, 2, s.rows(t), "the row that tells of revision 6 stays, and what is newer")
	require.Equal(t, []int64{-1, -1, -1, -1, s0 + timeStep, s0 + 5*timeStep, s0 + 5*timeStep}, s.times(t))
	require.NoError(t, s.Close())
}

// Times leave what members compare alone: two stores whose leaders' clocks differ, or of which one has none, have the same digest
// and count the same for the quota.
func TestTimesAreInNoDigest(t *testing.T) {
	var seen []string
	for _, at := range []int64{0, 1_800_000_000 * timeStep} {
		s := &timed{Store: openMem(t, vfs.NewMem())}
		for n := range int64(2 * DigestInterval) {
			s.put(t, at+n*timeStep)
		}
		_, inUse := s.Size()
		seen = append(seen, fmt.Sprint(s.state.Load().digest, s.Digests(), inUse))
		require.NoError(t, s.Close())
	}
	require.Equal(t, seen[0], seen[1])
}

// A store of format 1 is read, and is of this format then: made by hand from a new one.
func TestStoreWithoutTimesIsRead(t *testing.T) {
	fs := vfs.NewMem()
	s := &timed{Store: openMem(t, fs)}
	s.put(t, 0)
	require.NoError(t, s.db.Set(appendMetaKey(nil, metaFormat), []byte{1}, pebble.NoSync))
	require.NoError(t, s.Close())

	s = &timed{openMem(t, fs), s.index}
	format, err := getRow(s.Store, appendMetaKey(nil, metaFormat))
	require.NoError(t, err)
	require.Equal(t, []byte{formatVersion}, format)
	s.put(t, timeStep)
	require.Equal(t, []int64{-1, timeStep}, s.times(t))
	require.NoError(t, s.Close())
}
