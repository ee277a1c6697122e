package mvcc

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// requireUsage fails unless all stores, which applied the same commands, say that what they have in use is what a look at
// every row finds.
func requireUsage(t *testing.T, stores ...*Store) {
	t.Helper()
	for _, s := range stores {
		snapshot := s.db.NewSnapshot()
		c := usageCount{ctx: t.Context(), snapshot: snapshot, pace: atOnce}
		require.NoError(t, c.read())
		require.NoError(t, snapshot.Close())
		bytes, known := s.Usage()
		require.True(t, known)
		require.Equal(t, c.retained, bytes)
		first, _ := stores[0].Usage()
		require.Equal(t, first, bytes)
	}
}

func largePut(key string, size int) *consensusv1.Command {
	return putCommand(key, strings.Repeat("x", size))
}

func usageOf(t *testing.T, s *Store) int64 {
	t.Helper()
	bytes, known := s.Usage()
	require.True(t, known)
	return bytes
}

// What a store has in use comes back with a compaction, at once and whole, whatever files and memtables still hold; without
// one it does not, not even where a single key is written over. Write, delete, compact, look.
func TestCompactionGivesUsageBack(t *testing.T) {
	const value, puts = 10_000, 200
	s := openMem(t, vfs.NewMem())
	require.Zero(t, usageOf(t, s))
	index := uint64(0)
	apply := func(c *consensusv1.Command) {
		index++
		applyAll(t, s, index, c)
	}
	for i := range puts {
		apply(largePut(fmt.Sprintf("key-%03d", i), value))
	}
	full := usageOf(t, s)
	require.InEpsilon(t, puts*value, full, 0.02, "values are nearly all of it")
	apply(deleteCommand("key", "kez"))
	require.Greater(t, usageOf(t, s), full, "what is deleted can still be read")
	apply(compactCommand(s.Revision()))
	require.Less(t, usageOf(t, s), int64(puts*100), "tombstones of the compacted revision are left")
	apply(putCommand("one", "more"))
	apply(compactCommand(s.Revision()))
	require.Less(t, usageOf(t, s), int64(200), "a key is left")

	for range puts {
		apply(largePut("same", value))
	}
	require.InEpsilon(t, puts*value, usageOf(t, s), 0.02, "old versions are in use until they are compacted")
	apply(compactCommand(s.Revision() - puts/2))
	require.InEpsilon(t, puts/2*value, usageOf(t, s), 0.03)
	requireUsage(t, s)
	requireUsage(t, s)
}

// A directory of a program that kept no usage has it counted once, while commands are applied, and then says what a store
// says that kept it all along: also where a compaction leads to before the moment when it began to be kept, and where an
// older program has run in between.
func TestUsageOfAnUpgradedDirectoryIsCounted(t *testing.T) {
	for seed := range uint64(8) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 3))
			fs := vfs.NewMem()
			s, other := openSmall(t, fs), openSmall(t, vfs.NewMem())
			step := func(compactTo int64) {
				commands := []*consensusv1.Command{largePut(fmt.Sprint("k", r.IntN(5)), r.IntN(300)), deleteCommand(fmt.Sprint("k", r.IntN(5)), "")}
				if compactTo > s.CompactedRevision() {
					commands = append(commands, compactCommand(compactTo))
				}
				applyEach(t, s, commands...)
				applyEach(t, other, commands...)
			}
			for i := range 30 {
				step(int64(i % 7))
			}
			upgraded := s.Revision()
			if seed%2 == 0 {
				// As if there had never been any.
				lower, upper := spaceMark.bounds()
				require.NoError(t, s.db.DeleteRange(lower, upper, pebble.NoSync))
				require.NoError(t, s.db.Delete(appendMetaKey(nil, metaUsage), pebble.NoSync))
			} else {
				// As an older program leaves it, that goes on without keeping it.
				record, err := getRow(s, appendMetaKey(nil, metaUsage))
				require.NoError(t, err)
				step(0)
				require.NoError(t, s.db.Set(appendMetaKey(nil, metaUsage), record, pebble.NoSync))
			}
			require.NoError(t, s.Close())
			s = openSmall(t, fs)
			_, known := s.Usage()
			require.False(t, known)
			steps := 0
			require.NoError(t, s.CountUsage(t.Context(), func(context.Context, int) error {
				if steps++; steps < 4 {
					step(0)
				}
				return nil
			}))
			require.Greater(t, steps, 3, "commands were applied meanwhile")
			requireUsage(t, s, other)
			step(0)
			requireUsage(t, s, other)

			step(upgraded - 10)
			_, known = s.Usage()
			require.False(t, known, "nobody kept what was replaced before")
			require.NoError(t, s.CountUsage(t.Context(), atOnce))
			requireUsage(t, s, other)
			step(upgraded + 3)
			step(s.Revision() - 2)
			requireUsage(t, s, other)
			require.NoError(t, s.Close())
			s = openSmall(t, fs)
			requireUsage(t, s, other)
			require.NoError(t, s.Close())
			require.NoError(t, other.Close())
		})
	}
}

// Sums that are damaged end no member: they are not known then, and counted anew. Method: a mark and then the record itself
// written over, a compaction and a restart that read them, and a store beside it whose sums are whole.
func TestDamagedSumsAreCountedAnew(t *testing.T) {
	fs := vfs.NewMem()
	s, other := openSmall(t, fs), openSmall(t, vfs.NewMem())
	both := func(commands ...*consensusv1.Command) {
		applyEach(t, s, commands...)
		applyEach(t, other, commands...)
	}
	for i := range 30 {
		both(largePut(fmt.Sprint("k", i%3), 300))
	}
	require.NoError(t, s.each([]byte{byte(spaceMark), 0}, []byte{byte(spaceMark) + 1, 0}, func(k, _ []byte) error {
		return s.db.Set(k, []byte{0xff}, pebble.NoSync)
	}))
	both(compactCommand(s.Revision() - 5))
	_, known := s.Usage()
	require.False(t, known)
	require.NoError(t, s.CountUsage(t.Context(), atOnce))
	requireUsage(t, s, other)

	require.NoError(t, s.db.Set(appendMetaKey(nil, metaUsage), []byte{0xff}, pebble.NoSync))
	require.NoError(t, s.Close())
	s = openSmall(t, fs)
	_, known = s.Usage()
	require.False(t, known)
	require.NoError(t, s.CountUsage(t.Context(), atOnce))
	both(largePut("k1", 10))
	requireUsage(t, s, other)
	both(compactCommand(s.Revision() - 1))
	require.NoError(t, s.CountUsage(t.Context(), atOnce))
	requireUsage(t, s, other)
	require.NoError(t, s.Close())
	require.NoError(t, other.Close())
}
