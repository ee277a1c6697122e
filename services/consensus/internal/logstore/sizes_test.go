package logstore

import (
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"
	"go.etcd.io/raft/v3/raftpb"
)

// The log knows where its bytes are, to a mark, through appends, a tail that is replaced, truncation, a restart,
// and a new beginning: entries of half a mark.
func TestLogKnowsWhereItsBytesAre(t *testing.T) {
	const size, half = sizeMarkBytes, sizeMarkBytes / 2
	fs := vfs.NewMem()
	s, err := Open(Config{Dir: "log", FS: fs})
	require.NoError(t, err)
	put := func(from, to uint64) {
		for index := from; index <= to; index++ {
			require.NoError(t, s.Append([]*raftpb.Entry{{Index: new(index), Term: new(uint64(1)), Data: make([]byte, half)}}, nil, false))
		}
	}
	put(1, 30)
	require.InDelta(t, 10*half, s.BytesAbove(20), 2*size)
	require.InDelta(t, 14, s.IndexKeeping(8*size), 3)
	require.Zero(t, s.IndexKeeping(20*size))
	put(25, 26) // in place of what was there
	require.InDelta(t, 6*half, s.BytesAbove(20), 2*size)
	require.NoError(t, s.Truncate(10))
	require.InDelta(t, 16*half, s.BytesAbove(0), 2*size)
	require.NoError(t, s.Close())

	s, err = Open(Config{Dir: "log", FS: fs})
	require.NoError(t, err)
	last, err := s.LastIndex()
	require.NoError(t, err)
	require.Equal(t, uint64(26), last)
	require.InDelta(t, 6*half, s.BytesAbove(20), 2*size)
	require.NoError(t, s.Reset(200, 1, nil))
	require.Zero(t, s.BytesAbove(0))
	require.NoError(t, s.Close())
}
