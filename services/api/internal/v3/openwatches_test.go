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
	require.False(t, open.full(1))
	require.True(t, other.begin(&watch{}))
	require.True(t, open.full(1))
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

// Goal: a watch of a long range takes as many places as its range has memory, and gives them back: so watches take no more together than is meant for them, whatever
// their keys. Method: one of a megabyte and a half and what there is room for beside it.
func TestLongRangesTakeTheirPlaces(t *testing.T) {
	long := make([]byte, 1536<<10)
	places := placesOf(long, nil)
	require.GreaterOrEqual(t, places*watchBytes, rangeCopies*len(long))
	require.Equal(t, places, placesOf(nil, long))
	require.Equal(t, 1, placesOf([]byte("/registry/pods/"), []byte("/registry/pods0")))
	open := &openWatches{max: int64(places) + 1}
	ids := newWatchIDs(open)
	require.False(t, open.full(places))
	first := &watch{rights: rights{key: long}}
	require.True(t, ids.begin(first))
	require.True(t, open.full(places))
	require.False(t, open.full(1))
	require.NotNil(t, ids.end(first.id))
	require.Zero(t, open.count.Load())
	require.True(t, ids.begin(&watch{rights: rights{key: long}}))
	ids.close()
	require.Zero(t, open.count.Load())
}
