package v3

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/quoratedb/quorate/pkg/budget"
)

// Goal: watches of all streams are counted as long as they are open, and no longer: cancelled, ended by themselves, refused, and with their stream, once each.
// Method: two connections' streams, ended in each way, and again.
func TestOpenWatchesAreCounted(t *testing.T) {
	open, first, second := budget.NewShared(6), budget.NewShare(nil), budget.NewShare(nil)
	one, other := newWatchIDs(open, &first), newWatchIDs(open, &second)
	begin := func(ids *watchIDs) *watch {
		w := &watch{}
		require.True(t, ids.take(w, 1))
		require.True(t, ids.begin(w))
		return w
	}
	watches := []*watch{begin(one), begin(one), begin(one)}
	require.False(t, one.take(&watch{}, 1), "it has as many as are left")
	begin(other)
	twin := &watch{id: watches[1].id}
	require.True(t, other.take(twin, 1))
	other.release(twin)
	other.release(twin)
	require.False(t, one.begin(&watch{id: watches[1].id}), "it is taken")
	require.NotNil(t, one.end(watches[0].id))
	require.Nil(t, one.end(watches[0].id))
	one.ended(watches[1])
	one.ended(watches[1])
	begin(one)
	begun := &watch{}
	require.True(t, one.take(begun, 1))
	one.close()
	one.close()
	require.True(t, one.begin(begun), "its reader may be at it still")
	require.NotNil(t, one.end(begun.id))
	late := &watch{}
	require.True(t, one.take(late, 1))
	require.True(t, one.begin(late))
	other.close()
	requireAllFree(t, open, 6)
}

// requireAllFree holds that none of so many places is taken.
func requireAllFree(t *testing.T, open *budget.Shared, places int) {
	t.Helper()
	require.False(t, open.TakeMany(nil, places+1))
	require.True(t, open.TakeMany(nil, places))
}

// Goal: a watch of a long range takes as many places as its range has memory, and gives them back: so watches take no more together than is meant for them, whatever
// their keys. Method: one of a megabyte and a half and what there is room for beside it.
func TestLongRangesTakeTheirPlaces(t *testing.T) {
	long := make([]byte, 1536<<10)
	places := placesOf(long, nil)
	require.GreaterOrEqual(t, places*watchBytes, rangeCopies*len(long))
	require.Equal(t, places, placesOf(nil, long))
	require.Equal(t, 1, placesOf([]byte("/registry/pods/"), []byte("/registry/pods0")))
	open := budget.NewShared(int64(places) + 1)
	ids := newWatchIDs(open, nil)
	first := &watch{}
	require.True(t, ids.take(first, places))
	require.True(t, ids.begin(first))
	require.False(t, ids.take(&watch{}, places))
	second := &watch{}
	require.True(t, ids.take(second, 1))
	require.NotNil(t, ids.end(first.id))
	ids.release(second)
	requireAllFree(t, open, places+1)
}
