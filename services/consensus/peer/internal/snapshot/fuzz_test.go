package snapshot

import (
	"encoding/json"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"github.com/quoratedb/quorate/services/consensus/peer/internal/wire"
)

// FuzzOffer: whatever is offered, taking it apart ends, and what is taken names a directory directly below that of received files.
func FuzzOffer(f *testing.F) {
	message, err := proto.Marshal(&raftpb.Message{Type: raftpb.MsgSnap.Enum(), From: new(uint64(1)), To: new(uint64(2)), Term: new(uint64(3))})
	require.NoError(f, err)
	good, err := json.Marshal(offer{ID: "a1", Index: 7, Term: 3, URLs: []string{"http://p:1"}, Message: message})
	require.NoError(f, err)
	escape, err := json.Marshal(offer{ID: "../../a", Message: message})
	require.NoError(f, err)
	f.Add(good)
	f.Add(escape)
	f.Add([]byte(`{"message":"////"}`))
	f.Fuzz(func(t *testing.T, payload []byte) {
		o, m, err := parseOffer(payload, 1, 2)
		if err != nil {
			require.ErrorIs(t, err, wire.ErrBadFrame)
			return
		}
		require.Equal(t, raftpb.MsgSnap, m.GetType())
		require.Equal(t, "/received", filepath.Dir(filepath.Join("/received", "1-"+o.ID)))
		require.LessOrEqual(t, len(o.ID), offerIDBytesMax)
	})
}

// FuzzManifest: whatever the list of a snapshot's files has, what passes names files directly in the directory that they go to, each once.
func FuzzManifest(f *testing.F) {
	f.Add([]byte(`{"id":"a","files":[{"name":"000001.sst","size":10},{"name":"MANIFEST-1","size":0}]}`))
	f.Add([]byte(`{"files":[{"name":"../x","size":1},{"name":".","size":9223372036854775807}]}`))
	f.Fuzz(func(t *testing.T, encoded []byte) {
		var m manifest
		if json.Unmarshal(encoded, &m) != nil || m.check() != nil {
			return
		}
		seen := map[string]bool{}
		for _, file := range m.Files {
			require.Equal(t, "/received", filepath.Dir(filepath.Join("/received", file.Name)))
			require.False(t, seen[file.Name])
			seen[file.Name] = true
		}
		require.GreaterOrEqual(t, m.size(), int64(0))
	})
}

// FuzzRange: whatever range of a file a member asks for, what it gets lies within the file, and is no longer than a piece.
func FuzzRange(f *testing.F) {
	f.Add("bytes=0-99", int64(100))
	f.Add("bytes=-1", int64(100))
	f.Add("bytes=5-9223372036854775807", int64(1)<<62)
	f.Add("bytes=+1-+2,5-6", int64(7))
	f.Fuzz(func(t *testing.T, header string, size int64) {
		first, last, err := parseRange(header, size)
		if err != nil {
			return
		}
		require.GreaterOrEqual(t, first, int64(0))
		require.LessOrEqual(t, first, last)
		require.Less(t, last, size)
		require.LessOrEqual(t, last-first+1, int64(pieceBytes))
	})
}
