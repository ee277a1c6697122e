package logstore

import (
	"context"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"
	"go.etcd.io/raft/v3/raftpb"
)

// large is a log of 40 entries of a quarter of a mebibyte, closed.
func large(t *testing.T) vfs.FS {
	t.Helper()
	fs := vfs.NewMem()
	s := openAt(t, fs, "log")
	for index := uint64(1); index <= 40; index++ {
		e := &raftpb.Entry{Index: new(index), Term: new(1 + index/10), Data: make([]byte, 256<<10)}
		require.NoError(t, s.Append([]*raftpb.Entry{e}, nil, false))
	}
	require.NoError(t, s.Close())
	return fs
}

// openPart opens a log of which Open reads two mebibytes.
func openPart(t *testing.T, fs vfs.FS) *Store {
	t.Helper()
	s, err := Open(Config{Dir: "log", FS: fs, openBytes: 2 << 20})
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func atOnce(context.Context, int) error { return nil }

// What Open does not read is verified behind it, however the log changes meanwhile; then the log knows where its bytes are as
// if it had read all. Method: a log of ten mebibytes of which two are read, truncated and grown between two steps.
func TestRestOfTheLogIsVerifiedBehindItsOpening(t *testing.T) {
	fs := large(t)
	s := openPart(t, fs)
	require.Less(t, s.BytesAbove(0), uint64(3<<20))
	require.Len(t, all(t, s), 40)
	read, steps := 0, 0
	require.NoError(t, s.VerifyRest(t.Context(), func(_ context.Context, n int) error {
		read += n
		if steps++; steps == 2 {
			require.NoError(t, s.Truncate(20))
			require.NoError(t, s.Append([]*raftpb.Entry{{Index: new(uint64(41)), Term: new(uint64(9)), Data: make([]byte, 1<<20)}}, nil, false))
		}
		return nil
	}))
	require.Greater(t, steps, 2)
	require.Less(t, read, 8<<20)
	require.InDelta(t, 6<<20, s.BytesAbove(20), 2*sizeMarkBytes)
	require.InDelta(t, 33, s.IndexKeeping(3<<20), 4)
	require.NoError(t, s.Close())

	s = openPart(t, large(t))
	require.NoError(t, s.VerifyRest(t.Context(), atOnce))
	whole := openAt(t, large(t), "log")
	for index := range uint64(40) {
		require.InDelta(t, whole.BytesAbove(index), s.BytesAbove(index), 2*sizeMarkBytes)
	}
	require.NoError(t, s.VerifyRest(t.Context(), atOnce))
}

// Damage in what Open did not read is found behind it, with what to do: an entry that was changed, and one that is missing.
func TestDamageInTheRestOfTheLogIsFound(t *testing.T) {
	for name, damage := range map[string]func(*Store) error{
		"changed": func(s *Store) error { return s.engine.db.Set(entryKey(5), []byte("no entry"), pebble.Sync) },
		"missing": func(s *Store) error { return s.engine.db.Delete(entryKey(5), pebble.Sync) },
	} {
		t.Run(name, func(t *testing.T) {
			fs := large(t)
			s := openAt(t, fs, "log")
			require.NoError(t, damage(s))
			require.NoError(t, s.Close())
			s = openPart(t, fs)
			err := s.VerifyRest(t.Context(), atOnce)
			require.ErrorIs(t, err, ErrCorrupt)
			require.ErrorContains(t, err, recoverAdvice)
			require.NoError(t, s.Close())
			_, err = Open(Config{Dir: "log", FS: fs})
			require.ErrorIs(t, err, ErrCorrupt, "Open finds it where it reads that far")
		})
	}
}
