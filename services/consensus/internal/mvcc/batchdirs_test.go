package mvcc

import (
	"fmt"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// Goal: what is remembered of directories' records, and of keys that do not exist, is what was committed, not what a batch did that was given up.
// Method: a record and a key that come and go in batches of both kinds, each looked up before and after, on disk and in memory.
func TestWhatIsRememberedWasCommitted(t *testing.T) {
	s := openSmall(t, vfs.NewMem())
	path := []byte("/a")
	shows := func(b *Batch, exists bool, because string) {
		t.Helper()
		for range 2 {
			dir, err := b.Dir(path)
			require.NoError(t, err)
			require.Equal(t, exists, dir != nil, because)
			is, err := Exists(b, path)
			require.NoError(t, err)
			require.Equal(t, exists, is, because)
		}
	}
	change := func(b *Batch, exists bool) {
		t.Helper()
		b.BeginRevision()
		if exists {
			require.NoError(t, b.SetDir(path, Dir{Create: b.Next(), Mod: b.Next()}))
			b.Put(&Row{Key: path, Record: Record{Value: []byte("v")}}, nil, true)
		} else {
			require.NoError(t, b.DropDir(path))
			_, _, err := b.Delete(NewSpan(path, nil), false)
			require.NoError(t, err)
		}
		require.NoError(t, b.SetTreeChange(&consensusv1.TreeChange{Node: &consensusv1.TreeNode{Path: path, Dir: true}}))
		require.NotNil(t, b.EndRevision())
	}
	for _, exists := range []bool{true, false, true} {
		for _, flushed := range []bool{false, true} {
			b := s.Begin()
			shows(b, !exists && s.Revision() > 1, "before")
			b.recent = newRecent()
			change(b, exists)
			shows(b, exists, "in the batch")
			require.NoError(t, b.Close())
			b = s.Begin()
			shows(b, !exists && s.Revision() > 1, "after the batch was given up")
			require.NoError(t, b.Close())
			if flushed {
				require.NoError(t, s.Flush())
			}
		}
		b := s.Begin()
		change(b, exists)
		require.NoError(t, b.Commit())
		b = s.Begin()
		shows(b, exists, "after the batch was committed")
		require.NoError(t, b.Close())
	}
	require.NoError(t, s.Close())
}

// Goal: records that are remembered take no more memory than there is for them. Method: more than that.
func TestRememberedRecordsAreBounded(t *testing.T) {
	var k knownDirs
	for i := range 2 * knownDirsBytesMax / knownDirBytes {
		k.set(fmt.Appendf(nil, "/%d", i), &Dir{Create: int64(i)})
		require.LessOrEqual(t, k.bytes, knownDirsBytesMax+2*knownDirBytes)
	}
	for path := range k.records {
		k.set([]byte(path), nil)
		k.set([]byte(path), nil)
	}
	require.Zero(t, k.bytes)
}
