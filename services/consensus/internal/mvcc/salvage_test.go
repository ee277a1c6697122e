package mvcc

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/api/v3/mvccpb"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// Goal: of a state with a damaged block, every key outside of it is told with its newest version, the stretch that is lost is named, and no key that lies
// in it is told with an older version. Method: two versions of each of many keys in tables, and a byte turned in the middle of one.
func TestSalvage(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	open := func() *Store {
		s, err := Open(Config{Dir: dir, FS: vfs.Default})
		require.NoError(t, err)
		return s
	}
	s := open()
	const keys = 2000
	rng := rand.New(rand.NewPCG(1, 2))
	for round := range 2 {
		var commands []*consensusv1.Command
		for i := range keys {
			value := make([]byte, 300) // that no compression makes small
			for j := range value {
				value[j] = byte(rng.Uint32())
			}
			commands = append(commands, putCommand(fmt.Sprintf("/a/prefix/that/is/long/and/that/all/keys/have/in/common/key%05d", i), fmt.Sprint(round)+string(value)))
		}
		applyEach(t, s, commands...)
	}
	require.NoError(t, s.Flush())
	require.NoError(t, s.Close())
	tables, err := filepath.Glob(filepath.Join(dir, "*.sst"))
	require.NoError(t, err)
	largest, size := "", int64(0)
	for _, table := range tables {
		info, err := os.Stat(table)
		require.NoError(t, err)
		if info.Size() > size {
			largest, size = table, info.Size()
		}
	}
	content, err := os.ReadFile(largest)
	require.NoError(t, err)
	content[len(content)/2] ^= 1
	require.NoError(t, os.WriteFile(largest, content, 0o600))

	s = open()
	snapshot, err := s.Snapshot(t.Context())
	require.NoError(t, err)
	require.Error(t, snapshot.Versions(t.Context(), func(int64, int64, bool, *mvccpb.KeyValue) error { return nil }))
	var told, stretches []string
	seen := map[string]bool{}
	require.NoError(t, snapshot.Salvage(t.Context(), func(_, _ int64, _ bool, kv *mvccpb.KeyValue) error {
		if key := string(kv.Key); !seen[key] {
			seen[key] = true
			require.Equal(t, "1", string(kv.Value[:1]), "%s is told with an older version", key)
			told = append(told, key)
		}
		return nil
	}, func(after, before []byte, cause error) error {
		require.Error(t, cause)
		require.Less(t, string(after), string(before))
		stretches = append(stretches, fmt.Sprintf("%s-%s", after, before))
		return nil
	}))
	require.Len(t, stretches, 1)
	require.Less(t, len(told), keys)
	require.Greater(t, len(told), keys*9/10)
	require.Contains(t, told[0], "key00000")
	require.Contains(t, told[len(told)-1], fmt.Sprintf("key%05d", keys-1))
	require.NoError(t, snapshot.Close())
	_ = s.Close()
}
