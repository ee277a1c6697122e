package mvcc

import (
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// A checkpoint holds everything that was committed before it and nothing of what comes after: it is opened as a store.
func TestCheckpointOpens(t *testing.T) {
	fs := vfs.NewMem()
	s, err := Open(Config{Dir: "state", FS: fs})
	require.NoError(t, err)
	put := func(store *Store, key string, index uint64) {
		b := begin(store)
		_, _, err := b.Apply(&consensusv1.Command{Command: &consensusv1.Command_Put{Put: &consensusv1.PutOp{Key: []byte(key)}}})
		require.NoError(t, err)
		b.SetApplied(index, 1)
		require.NoError(t, b.Commit())
		b.Close()
	}
	put(s, "before", 5)
	require.NoError(t, s.Checkpoint("copy"))
	put(s, "after", 6)

	copied, err := Open(Config{Dir: "copy", FS: fs})
	require.NoError(t, err)
	index, _ := copied.Applied()
	require.Equal(t, uint64(5), index)
	result, revision, err := copied.Range(t.Context(), &consensusv1.RangeOp{Key: []byte{0}, RangeEnd: []byte{0}})
	require.NoError(t, err)
	require.Equal(t, int64(2), revision)
	require.Len(t, result.GetKvs(), 1)
	require.NoError(t, copied.Close())
	require.NoError(t, s.Close())
}
