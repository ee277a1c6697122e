package etcddir

import (
	"hash/crc32"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"go.etcd.io/raft/v3/raftpb"
)

// FuzzSnap: whatever a .snap file has, reading it ends, with an error or without; what lies behind its checksum is tried too.
func FuzzSnap(f *testing.F) {
	data, err := proto.Marshal(&raftpb.Snapshot{
		Data:     []byte(`{"Root":{"Path":"/","Children":{"1":{"Path":"/1","Children":{"a":{"Path":"/1/a","Value":"v","ExpireTime":"2030-01-01T00:00:00Z"}}}}},"CurrentIndex":7}`),
		Metadata: &raftpb.SnapshotMetadata{Index: new(uint64(7)), Term: new(uint64(2))},
	})
	require.NoError(f, err)
	f.Add(withSum(data), false)
	f.Add(data, true)
	f.Add([]byte{}, true)
	f.Fuzz(func(t *testing.T, b []byte, sum bool) {
		if sum {
			b = withSum(b)
		}
		path := filepath.Join(t.TempDir(), "0000000000000002-0000000000000007.snap")
		require.NoError(t, os.WriteFile(path, b, 0o600))
		snap, err := readSnapFile(path)
		if err != nil {
			require.ErrorIs(t, err, ErrDamaged)
		}
		_ = snap
	})
}

// withSum puts data into a snappb.Snapshot.
func withSum(data []byte) []byte {
	b := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), uint64(crc32.Checksum(data, castagnoli)))
	return protowire.AppendBytes(protowire.AppendTag(b, 2, protowire.BytesType), data)
}
