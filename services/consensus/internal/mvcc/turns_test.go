package mvcc

import (
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"github.com/quoratedb/quorate/services/consensus/internal/readturns"
)

// Goal: of many who read many rows few do so at a time; the others go on when those wait for memory or have ended. Method: scans that stand still
// behind their first hundreds of rows, many more than there are processors; then all go on.
func TestLongReadsGoOnByTurns(t *testing.T) {
	const keys, readers = 3 * readturns.RowsAStretch, 500
	s := openMem(t, vfs.NewMem())
	b := begin(s)
	for i := range keys {
		_, _, err := b.Apply(putCommand(fmt.Sprintf("k%06d", i), "v"))
		require.NoError(t, err)
	}
	b.SetApplied(1, 1)
	require.NoError(t, b.Commit())
	synctest.Test(t, func(t *testing.T) {
		turns := readturns.New()
		inside, goOn, ended := make(chan struct{}, readers), make(chan struct{}), make(chan int, readers)
		for range readers {
			go func() {
				ctx, read := turns.With(t.Context())
				defer read.Rest()
				found := 0
				v, err := s.View(ctx)
				if err == nil {
					err = v.Scan(ctx, NewSpan([]byte{0}, []byte{0}), NewestRevision, func(*Row) (bool, error) {
						if found++; found == 500 {
							inside <- struct{}{}
							<-goOn
							return true, Grow(ctx, 1)
						}
						return true, nil
					})
				}
				if err != nil || v.Close() != nil {
					found = 0
				}
				ended <- found
			}()
		}
		synctest.Wait()
		require.NotEmpty(t, inside)
		require.Less(t, len(inside), readers/2)
		close(goOn)
		for range readers {
			require.Equal(t, keys, <-ended)
		}
	})
}
