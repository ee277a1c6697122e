package mvcc

import (
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"
)

// Goal: what history and versions do not agree on is found and named, also what Verify does not see, and nothing else is. Method: rows of either are
// changed below a store that was compacted, also with transactions that write a key several times.
func TestVerifyHistoryFindsDamage(t *testing.T) {
	history := func(revision int64) []byte { return appendHistoryKey(nil, revision, 0) }
	for name, c := range map[string]struct {
		damage func(t *testing.T, s *Store)
		text   string
	}{
		"older version gone": {func(t *testing.T, s *Store) {
			require.NoError(t, s.db.Delete(appendVersionKey(nil, []byte("a"), 4), pebble.NoSync))
			require.NoError(t, s.Verify(t.Context(), atOnce), "nothing that is current is missing")
		}, `revision 4 changed key "a", of which there is no such version`},
		"change gone": {func(t *testing.T, s *Store) {
			require.NoError(t, s.db.Delete(history(5), pebble.NoSync))
		}, `key "a" has a version of revision 5, which the history does not have`},
		"change of another key": {func(t *testing.T, s *Store) {
			require.NoError(t, s.db.Set(history(5), appendChange(nil, &change{key: []byte("b"), previous: 4}), pebble.NoSync))
		}, `which changed key "b" there`},
		"change of another version": {func(t *testing.T, s *Store) {
			require.NoError(t, s.db.Set(history(5), appendChange(nil, &change{key: []byte("a"), previous: 3}), pebble.NoSync))
		}, "is not what stands before"},
		"deletion for a put": {func(t *testing.T, s *Store) {
			require.NoError(t, s.db.Set(history(5), appendChange(nil, &change{key: []byte("a"), previous: 4, tombstone: true}), pebble.NoSync))
		}, `what revision 5 did to key "a"`},
		"version that goes on from nothing": {func(t *testing.T, s *Store) {
			for _, revision := range []int64{2, 3, 4} {
				require.NoError(t, s.db.Delete(appendVersionKey(nil, []byte("a"), revision), pebble.NoSync))
			}
		}, "and the one before is missing"},
		"malformed": {func(t *testing.T, s *Store) {
			require.NoError(t, s.db.Set(history(5), []byte{0xff, 0xff}, pebble.NoSync))
		}, "malformed"},
	} {
		t.Run(name, func(t *testing.T) {
			s := openSmall(t, vfs.NewMem())
			applyEach(t, s, putCommand("a", "1"), putCommand("a", "2"), putCommand("a", "3"), putCommand("a", "4"), putCommand("b", "1"), deleteCommand("b", ""),
				putCommand("b", "2"), dirCommand("/dir"), fileCommand("/file", 9), compactCommand(3))
			require.NoError(t, VerifyHistory(t.Context(), s, atOnce))
			c.damage(t, s)
			err := VerifyHistory(t.Context(), s, atOnce)
			require.ErrorIs(t, err, ErrDamaged)
			require.ErrorContains(t, err, c.text)
			require.NoError(t, s.Close())
		})
	}
}
