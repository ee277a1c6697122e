package logstore

import (
	"math/rand"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"
	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
)

// TestAgainstMemoryStorage drives a Store and raft's MemoryStorage with the same random appends, conflicts,
// truncations and restarts, and compares every answer.
func TestAgainstMemoryStorage(t *testing.T) {
	for seed := range int64(8) {
		rng := rand.New(rand.NewSource(seed))
		fs := vfs.NewMem()
		s, model, term := openAt(t, fs, "log"), raft.NewMemoryStorage(), uint64(1)
		for step := range 300 {
			first, last := bounds(t, model)
			switch rng.Intn(12) {
			case 0:
				require.NoError(t, s.Close(), "seed %d", seed)
				s = openAt(t, fs, "log")
			case 1:
				if last >= first {
					upTo := first + uint64(rng.Int63n(int64(last-first+1)))
					require.NoError(t, s.Truncate(upTo))
					require.NoError(t, model.Compact(upTo))
				}
			case 2:
				forgetTail(s)
			case 3: // a new leader overwrites
				term++
				from := first + uint64(rng.Int63n(int64(last-first+2)))
				appendBoth(t, s, model, run(from, from+uint64(rng.Intn(4)), term))
			default:
				appendBoth(t, s, model, run(last+1, last+uint64(rng.Intn(5)), term))
			}
			compare(t, rng, s, model, "seed %d, step %d", seed, step)
		}
		require.NoError(t, s.Close())
	}
}

func appendBoth(t *testing.T, s *Store, model *raft.MemoryStorage, entries []*raftpb.Entry) {
	t.Helper()
	require.NoError(t, s.Append(entries, nil, false))
	require.NoError(t, model.Append(entries))
}

func bounds(t *testing.T, s raft.Storage) (first, last uint64) {
	t.Helper()
	first, err := s.FirstIndex()
	require.NoError(t, err)
	last, err = s.LastIndex()
	require.NoError(t, err)
	return first, last
}

func compare(t *testing.T, rng *rand.Rand, s *Store, model *raft.MemoryStorage, where ...any) {
	t.Helper()
	first, last := bounds(t, model)
	gotFirst, gotLast := bounds(t, s)
	require.Equal(t, []uint64{first, last}, []uint64{gotFirst, gotLast}, where...)
	for index := first - min(first, 2); index <= last+1; index++ {
		want, wantErr := model.Term(index)
		got, err := s.Term(index)
		require.Equal(t, wantErr, err, where...)
		require.Equal(t, want, got, where...)
	}
	if last < first {
		return
	}
	lo := first + uint64(rng.Int63n(int64(last-first+1)))
	hi := lo + 1 + uint64(rng.Int63n(int64(last-lo+1)))
	maxSize := uint64(rng.Intn(60))
	want, wantErr := model.Entries(lo, hi, maxSize)
	got, err := s.Entries(lo, hi, maxSize)
	require.Equal(t, wantErr, err, where...)
	requireEntries(t, want, got, where...)
}
