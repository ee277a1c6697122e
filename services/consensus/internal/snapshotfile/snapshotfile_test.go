package snapshotfile

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"math/rand"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

func put(revision, sub int64, key, value string) Version {
	return Version{Sub: sub, KV: &mvccpb.KeyValue{
		Key: []byte(key), Value: []byte(value), CreateRevision: revision, ModRevision: revision, Version: 1,
	}}
}

func tombstone(revision, sub int64, key string) Version {
	return Version{Sub: sub, Tombstone: true, KV: &mvccpb.KeyValue{Key: []byte(key), ModRevision: revision}}
}

func each[T any](items ...T) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for _, item := range items {
			if !yield(item, nil) {
				return
			}
		}
	}
}

// export builds, streams to a file of its own, and returns the bytes of the database without the checksum, verified.
func export(t *testing.T, st State) []byte {
	t.Helper()
	dir := t.TempDir()
	f, err := Build(t.Context(), dir, st)
	require.NoError(t, err)
	var out bytes.Buffer
	n, err := f.WriteTo(&out)
	require.NoError(t, err)
	size, err := f.Size()
	require.NoError(t, err)
	require.Equal(t, size, n)
	require.Len(t, out.Bytes(), int(size))
	require.NoError(t, f.Close())
	require.NoError(t, f.Close())
	requireEmptyDir(t, dir)

	data, sum := out.Bytes()[:size-sha256.Size], out.Bytes()[size-sha256.Size:]
	want := sha256.Sum256(data)
	require.Equal(t, want[:], sum)
	require.Zero(t, len(data)%512, "readers find the checksum by the size's remainder")
	return data
}

func requireEmptyDir(t *testing.T, dir string) {
	t.Helper()
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, left)
}

// readBack returns the contents of every bucket.
func readBack(t *testing.T, data []byte) map[string][][2]string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "db")
	require.NoError(t, os.WriteFile(path, data, 0o600))
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{ReadOnly: true})
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	content := map[string][][2]string{}
	require.NoError(t, db.View(func(tx *bbolt.Tx) error {
		for err := range tx.Check() {
			require.NoError(t, err)
		}
		return tx.ForEach(func(name []byte, b *bbolt.Bucket) error {
			content[string(name)] = [][2]string{}
			return b.ForEach(func(k, v []byte) error {
				content[string(name)] = append(content[string(name)], [2]string{string(k), string(v)})
				return nil
			})
		})
	}))
	return content
}

func number(n uint64) string { return string(binary.BigEndian.AppendUint64(nil, n)) }

func marshal(t *testing.T, m proto.Message) string {
	t.Helper()
	b, err := proto.Marshal(m)
	require.NoError(t, err)
	return string(b)
}

// TestBuildMatchesFormat builds from a state given in the order of keys, and compares every bucket with the bytes that
// etcd's readers expect.
func TestBuildMatchesFormat(t *testing.T) {
	a, b := put(5, 0, "a", "1"), put(5, 1, "b", "2")
	b.KV.Lease = 16
	st := State{
		AppliedIndex: 300, AppliedTerm: 4, CompactedRevision: 4, ClusterVersion: "3.7.0",
		ConfState:      &raftpb.ConfState{Voters: []uint64{255}},
		Members:        []*consensusv1.Member{{Id: 255, Name: "m", PeerUrls: []string{"http://p"}, ClientUrls: []string{"http://c"}}},
		RemovedMembers: []uint64{254},
		Alarms:         []*consensusv1.Alarm{{MemberId: 255, Type: consensusv1.Alarm_TYPE_NOSPACE}},
		Auth:           &consensusv1.AuthSettings{Enabled: true, Revision: 9, TokenSecret: []byte("stays here")},
		Users:          []*consensusv1.User{{Name: "u", PasswordHash: []byte("h"), Roles: []string{"r"}, ChangedRevision: 4}, {Name: "v", NoPassword: true}},
		Roles:          []*consensusv1.Role{{Name: "r", Permissions: []*consensusv1.Permission{{Type: consensusv1.Permission_TYPE_READWRITE, Key: []byte("a"), RangeEnd: []byte("b")}}}},
		Leases: each(
			&consensusv1.Lease{Id: 300, GrantedTtl: 9},
			&consensusv1.Lease{Id: 16, GrantedTtl: 60, RemainingTtl: 7},
		),
		Versions: each(tombstone(6, 0, "a"), a, b, put(3, 0, "c", "old")),
	}
	content := readBack(t, export(t, st))

	require.Equal(t, [][2]string{
		{number(3) + "_" + number(0), marshal(t, put(3, 0, "c", "old").KV)},
		{number(5) + "_" + number(0), marshal(t, a.KV)},
		{number(5) + "_" + number(1), marshal(t, b.KV)},
		{number(6) + "_" + number(0) + "t", marshal(t, &mvccpb.KeyValue{Key: []byte("a")})},
	}, content["key"])
	require.Equal(t, [][2]string{
		{"confState", `{"voters":[255]}`},
		{"consistent_index", number(300)},
		{"finishedCompactRev", number(4) + "_" + number(0)},
		{"scheduledCompactRev", number(4) + "_" + number(0)},
		{"storageVersion", "3.7.0"},
		{"term", number(4)},
	}, content["meta"])
	require.Equal(t, [][2]string{
		{number(16), "\x08\x10\x10\x3c\x18\x07"},
		{number(300), "\x08\xac\x02\x10\x09"},
	}, content["lease"])
	require.Equal(t, [][2]string{{"ff", `{"id":255,"peerURLs":["http://p"],"name":"m","clientURLs":["http://c"]}`}}, content["members"])
	require.Equal(t, [][2]string{{"fe", "removed"}}, content["members_removed"])
	require.Equal(t, [][2]string{{"clusterVersion", "3.7.0"}}, content["cluster"])
	require.Equal(t, [][2]string{{"\x08\xff\x01\x10\x01", ""}}, content["alarm"])
	require.Equal(t, [][2]string{{"authEnabled", "\x01"}, {"authRevision", number(9)}}, content["auth"])
	require.Equal(t, [][2]string{{"u", "\x0a\x01u\x12\x01h\x1a\x01r\x22\x00"}, {"v", "\x0a\x01v\x22\x02\x08\x01"}}, content["authUsers"])
	require.Equal(t, [][2]string{{"r", "\x0a\x01r\x12\x08\x08\x02\x12\x01a\x1a\x01b"}}, content["authRoles"])
}

// TestBuildOfNothing shows that an empty state makes a file with all buckets.
func TestBuildOfNothing(t *testing.T) {
	content := readBack(t, export(t, State{AppliedIndex: 1, AppliedTerm: 1}))
	require.Len(t, content, len(buckets))
	for _, empty := range []string{"key", "auth", "authUsers", "authRoles"} {
		require.Contains(t, content, empty)
		require.Empty(t, content[empty])
	}
}

// TestBuildOfManyVersions passes several transactions and shuffled revisions, and checks order, completeness, and that
// pages are nearly full.
func TestBuildOfManyVersions(t *testing.T) {
	const count = 3*batchPuts + 17
	order := rand.New(rand.NewSource(1)).Perm(count)
	payload := string(bytes.Repeat([]byte("x"), 300))
	data := export(t, State{AppliedIndex: 9, AppliedTerm: 1, Versions: func(yield func(Version, error) bool) {
		for _, i := range order {
			if !yield(put(int64(i)+2, 0, fmt.Sprintf("key-%d", i), payload), nil) {
				return
			}
		}
	}})
	rows := readBack(t, data)["key"]
	require.Len(t, rows, count)
	total := 0
	for i, row := range rows {
		require.Equal(t, number(uint64(i)+2)+"_"+number(0), row[0])
		total += len(row[0]) + len(row[1])
	}
	require.Less(t, float64(len(data)), 1.2*float64(total), "pages are filled")
}

// TestFailedBuildLeavesNothing fails a build in each way that a source or a caller can, and finds the cause and an
// empty directory.
func TestFailedBuildLeavesNothing(t *testing.T) {
	broken := errors.New("broken")
	cancelled, cancel := context.WithCancelCause(t.Context())
	cancel(broken)
	for name, c := range map[string]struct {
		ctx  context.Context
		st   State
		text string
	}{
		"versions fail": {t.Context(), State{Versions: func(yield func(Version, error) bool) {
			_ = yield(put(1, 0, "k", "v"), nil) && yield(Version{}, broken)
		}}, "read versions: broken"},
		"leases fail": {t.Context(), State{Leases: func(yield func(*consensusv1.Lease, error) bool) {
			yield(nil, broken)
		}}, "read leases: broken"},
		"doubled":     {t.Context(), State{Versions: each(put(7, 1, "k", "v"), tombstone(7, 1, "l"))}, "two versions at revision"},
		"no key":      {t.Context(), State{Versions: each(put(7, 1, "", "v"))}, "is not valid"},
		"no revision": {t.Context(), State{Versions: each(put(0, 1, "k", "v"))}, "is not valid"},
		"cancelled": {cancelled, State{Versions: func(yield func(Version, error) bool) {
			for i := int64(1); yield(put(i, 0, "k", "v"), nil); i++ {
				if i > 10*checkEvery {
					return
				}
			}
		}}, "broken"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			_, err := Build(c.ctx, dir, c.st)
			require.ErrorContains(t, err, c.text)
			require.ErrorContains(t, err, dir)
			requireEmptyDir(t, dir)
		})
	}
}

// TestRemoveLeftovers shows that the files of a killed build go, and others stay.
func TestRemoveLeftovers(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{tempPrefix + "1.db", tempPrefix + "sort-2", "MANIFEST"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), nil, 0o600))
	}
	require.NoError(t, RemoveLeftovers(dir))
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, left, 1)
	require.Equal(t, "MANIFEST", left[0].Name())
}

// TestMemberJSONIsComplete shows that a learner's flag is written, which a field left out would hide.
func TestMemberJSONIsComplete(t *testing.T) {
	content := readBack(t, export(t, State{Members: []*consensusv1.Member{{Id: 1, IsLearner: true}}}))
	var got map[string]any
	require.NoError(t, json.Unmarshal([]byte(content["members"][0][1]), &got))
	require.Equal(t, true, got["isLearner"])
}

// Goal: versions can be read from a revision on, also where that has none, and all of them from 0 on. Method: a file with a gap and a tombstone.
func TestVersionsAreReadFromARevisionOn(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	data := export(t, State{Versions: each(put(2, 0, "a", "1"), put(4, 0, "b", "2"), put(4, 1, "c", "3"), tombstone(7, 0, "a"))})
	require.NoError(t, os.WriteFile(path, data, 0o600))
	r, err := Open(t.Context(), OpenConfig{Path: path, SkipChecksum: true})
	require.NoError(t, err)
	defer func() { require.NoError(t, r.Close()) }()
	require.NoError(t, r.Read(func(c *Content) error {
		for from, want := range map[int64]string{0: "a2b4c4a7", 2: "a2b4c4a7", 3: "b4c4a7", 4: "b4c4a7", 5: "a7", 8: ""} {
			got := ""
			for v, err := range c.VersionsFrom(from) {
				require.NoError(t, err)
				got += fmt.Sprint(string(v.KV.GetKey()), v.KV.GetModRevision())
			}
			require.Equal(t, want, got, "from %d", from)
		}
		return nil
	}))
}

// Goal: samples are versions of the file, from all over it, and of a file without versions there are none. Method: many versions, one of which is longer than many
// pages, and none.
func TestSamplesAreFromAllOver(t *testing.T) {
	var versions []Version
	for i := int64(1); i <= 5000; i++ {
		versions = append(versions, put(i+1, 0, fmt.Sprintf("key%05d", i), "value"))
	}
	versions[2500].KV.Value = make([]byte, 100<<10)
	for _, versions := range [][]Version{versions, nil} {
		path := filepath.Join(t.TempDir(), "file")
		require.NoError(t, os.WriteFile(path, export(t, State{Versions: each(versions...)}), 0o600))
		r, err := Open(t.Context(), OpenConfig{Path: path, SkipChecksum: true})
		require.NoError(t, err)
		require.NoError(t, r.Read(func(c *Content) error {
			var tenths [10]int
			for _, s := range c.Sample(50) {
				require.Equal(t, fmt.Sprintf("key%05d", s.Revision-1), string(s.Key))
				tenths[(s.Revision-2)*10/5000]++
			}
			for _, n := range tenths {
				require.Equal(t, versions != nil, n > 0, "%v", tenths)
			}
			return nil
		}))
		require.NoError(t, r.Close())
	}
}
