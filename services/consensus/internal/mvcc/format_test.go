package mvcc

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"github.com/quoratedb/quorate/services/consensus/internal/pebbletuning"
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

// Goal: a store whose tables an older program has written, in the storage engine's format before, is read, verified, written on and compacted; and what it is then can
// be read by that program too, to which a member may send its tables. Method: the rows of a store are written into another one as that program does.
func TestTablesOfOlderPrograms(t *testing.T) {
	fs := vfs.NewMem()
	open := func() *pebble.DB {
		o := pebbletuning.State(MemTableBytesDefault, OpenFilesDefault)
		o.FS, o.FormatMajorVersion = fs, pebble.FormatColumnarBlocks
		o.ApplyCompressionSettings(func() pebble.DBCompressionSettings { return pebble.DBCompressionBalanced })
		db, err := pebble.Open("older", o)
		require.NoError(t, err)
		return db
	}
	put := func(s *Store, turn string) {
		for i := range 300 {
			applyEach(t, s, putCommand(fmt.Sprint("key", i%200), strings.Repeat(fmt.Sprint(turn, i), 100)))
		}
		require.NoError(t, s.Flush())
	}
	s := openSmall(t, fs)
	put(s, "first")
	rows := allRows(t, s.db)
	require.NoError(t, s.Close())
	db := open()
	for _, row := range rows {
		require.NoError(t, db.Set([]byte(row[0]), []byte(row[1]), pebble.NoSync))
	}
	require.NoError(t, db.Flush())
	require.NoError(t, db.Close())

	s, err := Open(Config{Dir: "older", FS: fs})
	require.NoError(t, err)
	require.Equal(t, rows, allRows(t, s.db))
	require.NoError(t, s.Verify(t.Context(), atOnce))
	put(s, "second")
	require.Positive(t, s.db.Metrics().Table.CompressedCountSnappy, "tables as they were")
	require.NoError(t, s.Verify(t.Context(), atOnce))
	require.NoError(t, s.Defragment(t.Context()))
	require.NoError(t, s.Verify(t.Context(), atOnce))
	require.Equal(t, pebble.FormatTableFormatV6, s.db.FormatMajorVersion())
	rows = allRows(t, s.db)
	require.NoError(t, s.Close())

	db = open()
	require.Equal(t, rows, allRows(t, db))
	require.NoError(t, db.Close())
}

func allRows(t *testing.T, db *pebble.DB) (rows [][2]string) {
	t.Helper()
	it, err := db.NewIter(nil)
	require.NoError(t, err)
	for ok := it.First(); ok; ok = it.Next() {
		rows = append(rows, [2]string{string(it.Key()), string(it.Value())})
	}
	require.NoError(t, it.Close())
	return rows
}
