package offline

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/consensus/internal/snapshotfile"
)

// Goal: all of a whole directory is read and told, and what is no data directory, or is in use, is refused. Method: a directory that was restored.
func TestVerify(t *testing.T) {
	made := func() string {
		dataDir := t.TempDir()
		_, err := Restore(t.Context(), RestoreConfig{Snapshot: Snapshot{Path: file(t, full())}, DataDir: dataDir, Founding: founders})
		require.NoError(t, err)
		return dataDir
	}
	dataDir := made()
	v, err := Verify(t.Context(), VerifyConfig{DataDir: dataDir, Progress: func(int64, int64) {}})
	require.NoError(t, err)
	require.NotZero(t, v.Digest)
	require.Len(t, v.Members, 2)
	require.Equal(t, []int64{8, 3, 2, 1}, []int64{v.Revision, v.Compacted, v.Keys, int64(v.Leases)})
	require.Equal(t, []uint64{7, 2, 1, 1}, []uint64{v.ClusterID, v.MemberID, v.Applied, v.Term})
	again, err := Verify(t.Context(), VerifyConfig{DataDir: dataDir})
	require.NoError(t, err)
	require.Equal(t, v, again)

	open(t, dataDir)
	_, err = Verify(t.Context(), VerifyConfig{DataDir: dataDir})
	require.ErrorIs(t, err, ErrInUse)
	none := t.TempDir()
	_, err = Verify(t.Context(), VerifyConfig{DataDir: none})
	require.ErrorIs(t, err, ErrNoData)
	left, err := os.ReadDir(none)
	require.NoError(t, err)
	require.Empty(t, left)
}

// damaged turns a byte in the middle of the largest file that a pattern names below a member's directory.
func damaged(t *testing.T, dataDir, pattern string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dataDir, "member", pattern))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	var largest string
	var content []byte
	for _, file := range files {
		read, err := os.ReadFile(file)
		require.NoError(t, err)
		if len(read) > len(content) {
			largest, content = file, read
		}
	}
	content[len(content)/2] ^= 0xff
	require.NoError(t, os.WriteFile(largest, content, 0o600))
}

// Goal: what is damaged is named by its part, in whichever file it is, and what verify says can be saved can be: the whole state where the log alone is
// damaged, else the keys that can be read. Method: a byte turned, or a file missing, in each kind of file of a member that was used.
func TestDamageIsNamedAndTheRestSaved(t *testing.T) {
	used := filepath.Join(t.TempDir(), "used")
	_, err := Restore(t.Context(), RestoreConfig{Snapshot: Snapshot{Path: file(t, many(3000))}, DataDir: used, Founding: founders})
	require.NoError(t, err)
	data := open(t, used)
	for index := uint64(2); index <= 60; index++ {
		value := strings.Repeat(fmt.Sprint(index), 400)
		encoded, err := proto.Marshal(&consensusv1.LogEntry{Commands: []*consensusv1.Command{{
			Caller:  &consensusv1.Caller{Internal: true},
			Command: &consensusv1.Command_Put{Put: &consensusv1.PutOp{Key: []byte(fmt.Sprint("logged", index)), Value: []byte(value)}},
		}}})
		require.NoError(t, err)
		require.NoError(t, data.Log.Append([]*raftpb.Entry{{Index: proto.Uint64(index), Term: proto.Uint64(1), Data: encoded}}, nil, true))
	}
	require.NoError(t, data.Close())
	remove := func(pattern string) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			files, err := filepath.Glob(filepath.Join(dir, "member", pattern))
			require.NoError(t, err)
			require.NotEmpty(t, files)
			for _, file := range files {
				require.NoError(t, os.Remove(file))
			}
		}
	}
	turn := func(pattern string) func(*testing.T, string) {
		return func(t *testing.T, dir string) { damaged(t, dir, pattern) }
	}
	for name, c := range map[string]struct {
		harm             func(t *testing.T, dir string)
		part             Part
		whole, opens     bool
		withoutLog, skip bool
	}{
		"the log's records":       {turnRecord, PartLog, true, true, true, false},
		"the log's manifest":      {turn("log/MANIFEST-*"), PartLog, true, true, true, false},
		"the log's files missing": {remove("log/*.log"), PartLog, true, true, true, false},
		"a table of the state":    {turn("state/*.sst"), PartState, false, true, false, true},
		"the state's manifest":    {remove("state/MANIFEST-*"), PartState, false, false, false, false},
		"a table missing":         {remove("state/*.sst"), PartState, false, false, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "bad")
			require.NoError(t, os.CopyFS(dir, os.DirFS(used)))
			c.harm(t, dir)
			v, err := Verify(t.Context(), VerifyConfig{DataDir: dir})
			require.NoError(t, err)
			require.NotEmpty(t, v.Damage)
			for _, d := range v.Damage {
				require.Equal(t, c.part, d.Part, "%v", d.Err)
			}
			require.Equal(t, []bool{c.whole, c.opens}, []bool{v.StateWhole, v.StateOpens}, "%v", v.Damage)
			if !c.opens || c.skip && os.Getenv("QUORATE_TEST_FULL") == "" { // each look at a damaged block takes the engine up to a second
				return
			}
			path := filepath.Join(t.TempDir(), "saved")
			_, err = SaveSnapshot(t.Context(), SaveConfig{DataDir: dir, Path: path})
			require.Error(t, err)
			require.NoFileExists(t, path)
			saved, err := SaveSnapshot(t.Context(), SaveConfig{DataDir: dir, Path: path, WithoutLog: c.withoutLog, SkipDamaged: c.skip})
			require.NoError(t, err)
			require.Equal(t, c.skip, len(saved.Lost) > 0)
			status, err := ReadStatus(t.Context(), Snapshot{Path: path})
			require.NoError(t, err)
			if c.whole {
				require.EqualValues(t, 3000, status.Keys)
			} else {
				require.Less(t, status.Keys, 3000)
				require.Greater(t, status.Keys, 1500)
			}
			_, err = SaveSnapshot(t.Context(), SaveConfig{DataDir: dir, Path: path, WithoutLog: true})
			require.ErrorIs(t, err, os.ErrExist)
		})
	}
	saved, err := SaveSnapshot(t.Context(), SaveConfig{DataDir: used, Path: filepath.Join(t.TempDir(), "saved")})
	require.NoError(t, err)
	require.Equal(t, []uint64{60, 59}, []uint64{saved.Index, saved.Replayed})
}

// turnRecord turns a byte of a record that others follow.
func turnRecord(t *testing.T, dir string) {
	files, err := filepath.Glob(filepath.Join(dir, "member", "log", "*.log"))
	require.NoError(t, err)
	for _, file := range files {
		content, err := os.ReadFile(file)
		require.NoError(t, err)
		if at := bytes.Index(content, []byte("logged30")); at > 0 {
			content[at] ^= 1
			require.NoError(t, os.WriteFile(file, content, 0o600))
			return
		}
	}
	t.Fatal("no file of the log has the record")
}

// many is a state of so many keys that no compression makes small.
func many(keys int) snapshotfile.State {
	rng := rand.New(rand.NewPCG(1, 2))
	var versions []snapshotfile.Version
	for i := range keys {
		value := make([]byte, 200)
		for j := range value {
			value[j] = byte(rng.Uint32())
		}
		versions = append(versions, version(int64(i+2), int64(i+2), 1, fmt.Sprintf("/key/%05d", i), string(value)))
	}
	return snapshotfile.State{AppliedIndex: 300, AppliedTerm: 1, Versions: each(versions...)}
}
