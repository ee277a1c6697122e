package mvcc

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// requireKnownKeys compares what is known of leases' keys with the rows, and returns of how many leases with and without a key it is known.
func requireKnownKeys(t *testing.T, s *Store) (with, without int) {
	t.Helper()
	size := 0
	for id, known := range s.batch.leases.keys.known {
		keys, exists, err := s.LeaseKeys(t.Context(), id)
		require.NoError(t, err)
		require.True(t, exists)
		size += leaseKeyBytes + len(known)
		if known == "" {
			require.Empty(t, keys)
			without++
			continue
		}
		require.Equal(t, [][]byte{[]byte(known)}, keys)
		with++
	}
	require.Equal(t, size, s.batch.leases.keys.size)
	return with, without
}

// Goal: what is known of leases' keys is what the rows say, whatever happens to keys and leases, and whether it is known or not makes no difference.
// Method: a seeded mix of commands on few keys and leases, in batches of which some are given up, carried out by two stores, of which one knows
// nothing as it forgets after each batch; their digests are compared, and what is known with the rows.
func TestKeysOfLeasesInMemoryAreThoseOfTheRows(t *testing.T) {
	stores := [2]*Store{}
	for i := range stores {
		s, err := Open(Config{Dir: t.TempDir()})
		require.NoError(t, err)
		defer func() { require.NoError(t, s.Close()) }()
		stores[i] = s
	}
	random := rand.New(rand.NewPCG(10, 2))
	with, without := 0, 0
	for index := uint64(1); index < 500; index++ {
		var commands []*consensusv1.Command
		for range 1 + random.IntN(6) {
			commands = append(commands, randomLeaseCommand(random))
		}
		committed := random.IntN(5) > 0
		for _, s := range stores {
			b := begin(s)
			for _, c := range commands {
				_, _, _ = b.Apply(c) // those of leases that do not exist, or do already, are refused
			}
			b.SetApplied(index, 1)
			if committed {
				require.NoError(t, b.Commit())
			} else {
				require.NoError(t, b.Close())
			}
		}
		some, none := requireKnownKeys(t, stores[0])
		with, without = with+some, without+none
		stores[1].batch.leases.keys = newLeaseKeys(0)
		require.Equal(t, stores[1].state.Load().digest, stores[0].state.Load().digest, "after batch %d", index)
	}
	require.NotZero(t, with)
	require.NotZero(t, without)
	require.NoError(t, stores[0].Verify(t.Context(), atOnce))
}

func randomLeaseCommand(random *rand.Rand) *consensusv1.Command {
	id, key := 1+random.Int64N(6), fmt.Sprintf("k%d", random.IntN(12))
	switch random.IntN(12) {
	case 0, 1, 2:
		return grantCommand(id)
	case 3:
		return revokeCommand(id)
	case 4:
		return putCommand(key, "v")
	case 5:
		return deleteCommand(key, "")
	case 6:
		return deleteCommand(key, key+"~")
	}
	return leasedCommand(key, id)
}

// Goal: what is known of leases' keys takes no more than it is given, and leases beyond end as others do. Method: more leases with a key each
// than there is room for, one of which gets a second key, are revoked by one command.
func TestKeysOfLeasesInMemoryAreBounded(t *testing.T) {
	s, err := Open(Config{Dir: t.TempDir()})
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close()) }()
	keys := &s.batch.leases.keys
	const fit, more, keyBytes = 8, 4, 100
	keys.max = fit * (leaseKeyBytes + keyBytes)
	var ids []int64
	for id := int64(1); id <= fit+more; id++ {
		require.Equal(t, make([]error, 2), outcomesOf(t, s, true, grantCommand(id), leasedCommand(fmt.Sprintf("%0*d", keyBytes, id), id)))
		require.LessOrEqual(t, keys.size, keys.max)
		ids = append(ids, id)
	}
	with, without := requireKnownKeys(t, s)
	require.Equal(t, fit, with)
	require.Zero(t, without)
	require.Equal(t, make([]error, 1), outcomesOf(t, s, true, leasedCommand("second", 1)))
	with, _ = requireKnownKeys(t, s)
	require.Equal(t, fit-1, with)
	require.Equal(t, make([]error, 1), outcomesOf(t, s, true, revokeCommand(ids...)))
	require.Empty(t, keysAt(t, s, 0))
	require.Zero(t, keys.size)
}
