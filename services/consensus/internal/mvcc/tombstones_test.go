package mvcc

import (
	"context"
	"fmt"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"
)

// counted counts how often a scan looks whether it should end: once for scanRowsPerCheck keys.
type counted struct {
	context.Context
	looks int
}

func (c *counted) Err() error {
	c.looks++
	return nil
}

// Keys that were deleted and are not compacted are not walked over by each scan of where they were: not by a reader, and not by
// the state machine, which would make all writes wait. Method: very many deleted keys between some that exist, scans that
// count their steps, and what they find at that revision and before.
func TestScansPassDeletedStretchesOver(t *testing.T) {
	const keys = 30 * scanRowsPerCheck
	s := openMem(t, vfs.NewMem())
	b := begin(s)
	for i := range keys {
		_, _, err := b.Apply(putCommand(fmt.Sprintf("dead/%06d", i), "v"))
		require.NoError(t, err)
	}
	for i := range 10 {
		for _, name := range []string{"before/%d", "dead/zz%d", "later/%d"} {
			_, _, err := b.Apply(putCommand(fmt.Sprintf(name, i), "v"))
			require.NoError(t, err)
		}
	}
	b.SetApplied(1, 1)
	require.NoError(t, b.Commit())
	full := s.Revision()
	applyAll(t, s, 2, deleteCommand("dead/", "dead/z"))

	scan := func(rd Reader, revision int64) (found, looks int) {
		ctx := &counted{Context: t.Context()}
		require.NoError(t, rd.Scan(ctx, NewSpan([]byte("dead/"), []byte("dead0")), revision, func(*Row) (bool, error) {
			found++
			return true, nil
		}))
		return found, ctx.looks
	}
	v, err := s.View(t.Context())
	require.NoError(t, err)
	defer func() { require.NoError(t, v.Close()) }()
	found, looks := scan(v, NewestRevision)
	require.Equal(t, 10, found)
	require.LessOrEqual(t, looks, 3)
	found, _ = scan(v, full)
	require.Equal(t, keys+10, found)

	b = begin(s)
	_, _, err = b.Apply(putCommand("dead/010000", "again"))
	require.NoError(t, err)
	ctx := &counted{Context: t.Context()}
	found = 0
	require.NoError(t, s.batch.Scan(ctx, NewSpan([]byte("dead/"), []byte("dead0")), NewestRevision, func(*Row) (bool, error) {
		found++
		return true, nil
	}))
	require.Equal(t, 11, found)
	require.LessOrEqual(t, ctx.looks, 3)
	require.NoError(t, b.Close())
}
