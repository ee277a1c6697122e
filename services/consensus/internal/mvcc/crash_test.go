package mvcc

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"
)

// A crash loses no more than what was not durable, and leaves a state that was there once: whatever part of the unsynced
// writes survives, the recovered store agrees with the model at the index that it says it has applied, and the log above
// can be applied to it again. Random commands run into random crashes, in the middle of flushes and compactions.
func TestCrashLeavesAStateThatWas(t *testing.T) {
	const rounds, crashes = 6, 8
	for round := range rounds {
		t.Run(fmt.Sprint(round), func(t *testing.T) {
			t.Parallel()
			seed := rand.NewPCG(uint64(round), 2)
			fs := vfs.NewCrashableMem()
			s := openSmall(t, fs)
			m := newModel()
			g := &generator{Rand: rand.New(seed), m: m}
			past := []*model{m.clone()} // by applied index
			replayed := 0
			for range crashes {
				stop := compactInBackground(t, s)
				for range 20 + g.IntN(60) {
					b := begin(s)
					for range 1 + g.IntN(6) {
						applyBoth(t, m, s, b, g.command())
						past = append(past, m.clone())
						b.SetApplied(uint64(len(past)-1), 1)
					}
					require.NoError(t, b.Commit())
					if g.one(20) {
						require.NoError(t, s.Flush())
					}
				}
				durable, err := s.DurableApplied()
				require.NoError(t, err)
				fs = fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: g.IntN(101), RNG: rand.New(seed)})
				stop()
				require.NoError(t, s.Close())

				s = openSmall(t, fs)
				index, _ := s.Applied()
				require.GreaterOrEqual(t, index, durable)
				require.Less(t, index, uint64(len(past)))
				replayed += len(past) - 1 - int(index)
				past = past[:index+1]
				m = past[index].clone()
				g.m = m
				requireAgrees(t, g, m, s)
				require.NoError(t, s.Verify(t.Context(), atOnce))
				require.NoError(t, VerifyHistory(t.Context(), s, atOnce))
			}
			require.Positive(t, replayed, "no crash lost anything: this tests nothing")
			require.NoError(t, s.Close())
		})
	}
}

// compactInBackground runs the removal of what is compacted until the returned function is called.
func compactInBackground(t *testing.T, s *Store) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.RunCompaction(ctx) }()
	return func() {
		cancel()
		require.NoError(t, <-done)
	}
}

// A clean stop loses nothing, so that the next start has nothing to replay: Close, then crash.
func TestCloseMakesEverythingDurable(t *testing.T) {
	fs := vfs.NewCrashableMem()
	s := openSmall(t, fs)
	applyAll(t, s, 9, putCommand("a", "1"))
	require.NoError(t, s.Close())
	s = openSmall(t, fs.CrashClone(vfs.CrashCloneCfg{}))
	index, _ := s.Applied()
	require.Equal(t, uint64(9), index)
	require.Equal(t, map[string]string{"a": "1"}, keysAt(t, s, 0))
	require.NoError(t, s.Close())
}
