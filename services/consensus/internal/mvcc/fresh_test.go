package mvcc

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// A lookup on disk alone must never miss what is in memory. Change random keys while memtables are flushed at any moment
// and old versions are removed, with nothing remembered from batch to batch, and compare what each put replaced with a map.
func TestLookupsOnDiskMissNothing(t *testing.T) {
	s, err := Open(Options{Dir: "state", FS: vfs.NewMem(), MemTableBytes: 64 << 10})
	require.NoError(t, err)
	defer s.Close()
	ctx, cancel := context.WithCancel(context.Background())
	compacting := make(chan error)
	go func() { compacting <- s.RunCompaction(ctx) }()
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 1))
	values := map[string]string{}
	onDisk := 0
	for round := range uint64(800) {
		b := s.Begin()
		b.recent = newRecent()
		for range 1 + random.IntN(5) {
			key := fmt.Sprintf("key/%d", random.IntN(1000))
			value := fmt.Sprintf("%d %0200d", round, 0)
			if random.IntN(4) == 0 {
				_, _, err := b.Apply(deleteCommand(key, ""))
				require.NoError(t, err)
				delete(values, key)
				continue
			}
			if !b.fresh.has([]byte(key)) {
				onDisk++
			}
			result, _, err := b.Apply(&consensusv1.Command{Command: &consensusv1.Command_Put{
				Put: &consensusv1.PutOp{Key: []byte(key), Value: []byte(value), PrevKv: true},
			}})
			require.NoError(t, err)
			require.Equal(t, values[key], string(result.GetPut().GetPrevKv().GetValue()), "round %d, %s, seed %d", round, key, seed)
			values[key] = value
		}
		if random.IntN(50) == 0 {
			_, _, err := b.Apply(compactCommand(s.Revision()))
			require.NoError(t, err)
		}
		b.SetApplied(round+1, 1)
		require.NoError(t, b.Commit())
		if random.IntN(20) == 0 {
			_, err := s.db.AsyncFlush()
			require.NoError(t, err)
		}
	}
	require.Greater(t, onDisk, 200, "seed %d", seed)
	cancel()
	require.NoError(t, <-compacting)
}

// What is on disk must be forgotten, or every key looks fresh in the end. Commit keys, flush, and commit another.
func TestFreshForgetsWhatIsOnDisk(t *testing.T) {
	s := openMem(t, vfs.NewMem())
	applyAll(t, s, 1, putCommand("a", "1"), putCommand("b", "1"))
	require.True(t, s.batch.fresh.has([]byte("a")))
	require.NoError(t, s.Flush())
	applyAll(t, s, 2, putCommand("c", "1"))
	require.False(t, s.batch.fresh.has([]byte("a")))
	require.True(t, s.batch.fresh.has([]byte("c")))
	require.Len(t, s.batch.fresh.generations, 1)
}
