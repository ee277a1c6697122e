package mvcc

import (
	"strconv"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"
)

// Goal: what is read as current has the position of its rows, neither a newer nor an older one, while commits come one after the other, and
// also without reading the position's row. Method: each revision puts its number, and readers compare.
func TestCurrentHasThePositionOfItsRows(t *testing.T) {
	s := openMem(t, vfs.NewMem())
	applyAll(t, s, 2, putCommand("k", "2"))
	written := make(chan struct{})
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for {
				select {
				case <-written:
					return
				default:
					requireCurrent(t, s)
				}
			}
		})
	}
	const revisions = 3000
	for revision := 3; revision < revisions; revision++ {
		applyAll(t, s, uint64(revision), putCommand("k", strconv.Itoa(revision)))
	}
	close(written)
	readers.Wait()
	requireCurrent(t, s) // with no commit under way
	require.NoError(t, s.Close())
}

func requireCurrent(t *testing.T, s *Store) {
	t.Helper()
	c, err := s.Current(t.Context())
	if !noError(t, err) {
		return
	}
	var r Row
	live, err := c.Get([]byte("k"), &r)
	index, _ := c.Applied()
	if noError(t, err) && (!live || r.Revision != c.Revision() || index != uint64(r.Revision) || string(r.Value) != strconv.FormatInt(r.Revision, 10)) {
		t.Errorf("at revision %d, index %d: %q of revision %d", c.Revision(), index, r.Value, r.Revision)
	}
	noError(t, c.Close())
}
