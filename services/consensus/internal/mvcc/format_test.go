package mvcc

import (
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"
)

// A store says which format it is of from its first flush on, one that says nothing is read, and one of a newer format is
// refused with what to do, unchanged: the version is taken out, and raised, by hand.
func TestNewerFormatIsRefused(t *testing.T) {
	fs := vfs.NewMem()
	open := func() *Store {
		s, err := Open(Config{Dir: "state", FS: fs})
		require.NoError(t, err)
		return s
	}
	key := appendMetaKey(nil, metaFormat)
	require.NoError(t, open().Close())
	s := open()
	b, err := getRow(s, key)
	require.NoError(t, err)
	require.Equal(t, []byte{formatVersion}, b)

	require.NoError(t, s.db.Delete(key, pebble.NoSync))
	require.NoError(t, s.Close())
	s = open()
	require.NoError(t, s.db.Set(key, []byte{formatVersion + 1}, pebble.NoSync))
	require.NoError(t, s.Close())
	for range 2 {
		_, err = Open(Config{Dir: "state", FS: fs})
		require.ErrorIs(t, err, ErrNewerFormat)
		require.ErrorContains(t, err, "state")
		require.ErrorContains(t, err, "start the newer version of the program again")
	}
}
