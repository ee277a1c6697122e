package v3

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Goal: watches of all streams are counted as long as they are open, and no longer: cancelled, ended by themselves, and with their stream, once each.
// Method: two streams' ids, ended in each way, and again.
func TestOpenWatchesAreCounted(t *testing.T) {
	open := &openWatches{max: 4}
	one, other := newWatchIDs(open), newWatchIDs(open)
	watches := make([]*watch, 3)
	for i := range watches {
		watches[i] = &watch{}
		require.True(t, one.begin(watches[i]))
	}
	require.False(t, one.begin(&watch{id: watches[1].id}), "it is taken")
	require.False(t, open.full())
	require.True(t, other.begin(&watch{}))
	require.True(t, open.full())
	require.NotNil(t, one.end(watches[0].id))
	require.Nil(t, one.end(watches[0].id))
	one.ended(watches[1])
	one.ended(watches[1])
	require.EqualValues(t, 2, open.count.Load())
	one.close()
	one.close()
	late := &watch{}
	require.True(t, one.begin(late), "its reader may be at it still")
	require.NotNil(t, one.end(late.id))
	require.EqualValues(t, 1, open.count.Load())
	other.close()
	require.Zero(t, open.count.Load())
}
