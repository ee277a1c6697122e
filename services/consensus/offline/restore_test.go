package offline

import (
	"bytes"
	"context"
	"iter"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"
	"go.etcd.io/etcd/api/v3/mvccpb"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/consensus/internal/auth"
	"github.com/quoratedb/quorate/services/consensus/internal/datadir"
	"github.com/quoratedb/quorate/services/consensus/internal/mvcc"
	"github.com/quoratedb/quorate/services/consensus/internal/owneronly"
	"github.com/quoratedb/quorate/services/consensus/internal/snapshotfile"
)

// founders are two members, and the directory is the second's.
var founders = Founding{
	ClusterID: 7, MemberID: 2, ClusterToken: "tok",
	Members: []*consensusv1.Member{{Id: 1, Name: "a", PeerUrls: []string{"http://a:1"}}, {Id: 2, Name: "b", PeerUrls: []string{"http://b:1"}}},
}

func each[T any](all ...T) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for _, one := range all {
			if !yield(one, nil) {
				return
			}
		}
	}
}

func version(revision, create, version int64, key, value string) snapshotfile.Version {
	return snapshotfile.Version{KV: &mvccpb.KeyValue{Key: []byte(key), Value: []byte(value), CreateRevision: create, ModRevision: revision, Version: version}}
}

// full is a state with something of everything.
func full() snapshotfile.State {
	leased := version(5, 5, 1, "leased", "x")
	leased.KV.Lease = 77
	file := version(6, 6, 1, "/d/f", "y")
	file.Expiration = 99
	return snapshotfile.State{
		AppliedIndex: 300, AppliedTerm: 4, CompactedRevision: 3,
		Members: []*consensusv1.Member{{Id: 255, Name: "m"}},
		Alarms:  []*consensusv1.Alarm{{MemberId: 255, Type: consensusv1.Alarm_TYPE_NOSPACE}},
		Auth:    &consensusv1.AuthSettings{Enabled: true, Revision: 9, Guest: true},
		Users:   []*consensusv1.User{{Name: "root", PasswordHash: []byte("h"), Roles: []string{"root"}}, {Name: "v", NoPassword: true}},
		Roles: []*consensusv1.Role{{Name: "r", Permissions: []*consensusv1.Permission{
			{Type: consensusv1.Permission_TYPE_READWRITE, Key: []byte("a"), RangeEnd: []byte("b")},
		}}},
		Leases: each(&consensusv1.Lease{Id: 77, GrantedTtl: 60}),
		Versions: each(
			version(3, 2, 2, "k", "2"), version(4, 2, 3, "k", "3"), leased, file,
			snapshotfile.Version{Tombstone: true, KV: &mvccpb.KeyValue{Key: []byte("k"), ModRevision: 7}},
		),
		Ours: &snapshotfile.Ours{
			Revision: 8, Records: []snapshotfile.Record{{Name: "quota/spec/x", Value: []byte("s")}},
			Dirs:  each(snapshotfile.Dir{Path: []byte("/d"), Create: 8, Mod: 8, Expiration: 100}),
			Times: each(snapshotfile.Time{Revision: 4, Nanoseconds: 5e9}),
		},
	}
}

// file writes a snapshot of a state.
func file(t *testing.T, st snapshotfile.State) string {
	t.Helper()
	f, err := snapshotfile.Build(t.Context(), t.TempDir(), st)
	require.NoError(t, err)
	var b bytes.Buffer
	_, err = f.WriteTo(&b)
	require.NoError(t, err)
	require.NoError(t, f.Close())
	path := filepath.Join(t.TempDir(), "snapshot.db")
	require.NoError(t, os.WriteFile(path, b.Bytes(), 0o600))
	return path
}

// open opens a data directory as a member does, which founds nothing.
func open(t *testing.T, dataDir string) *datadir.Data {
	t.Helper()
	data, err := datadir.Open(datadir.Config{Dir: datadir.Dir{FS: owneronly.FS, DataDir: dataDir}, Transport: nobody{}, Logger: discard})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, data.Close()) })
	return data
}

func atOnce(context.Context, int) error { return nil }

// Goal: a member that is founded from a snapshot has all that is in it, but for the members and alarms of the other cluster. Method: a state
// with something of everything, its file restored, the directory opened as a member opens it.
func TestRestoreKeepsAll(t *testing.T) {
	dataDir := filepath.Join(t.TempDir(), "made", "too")
	restored, err := Restore(t.Context(), RestoreConfig{Snapshot: Snapshot{Path: file(t, full())}, DataDir: dataDir, Founding: founders})
	require.NoError(t, err)
	require.Len(t, restored.Alarms, 1)
	restored.Alarms = nil
	require.Equal(t, Restored{Revision: 8, Compacted: 3, Keys: 2, Versions: 5, Leases: 1, Users: 2, Roles: 1}, restored)
	entries, err := os.ReadDir(dataDir)
	require.NoError(t, err)
	require.Len(t, entries, 1)

	data := open(t, dataDir)
	require.Equal(t, datadir.Identity{ClusterID: 7, MemberID: 2}, data.Identity)
	require.Len(t, data.Members.List(), 2)
	require.Equal(t, []uint64{1, 2}, data.ConfState.GetVoters())
	index, term := data.State.Applied()
	require.Equal(t, []uint64{datadir.BootstrapIndex, 1}, []uint64{index, term})
	require.Empty(t, data.State.Alarms())
	require.NoError(t, data.State.Verify(t.Context(), atOnce))

	at := func(revision int64) map[string]string {
		got, _, err := data.State.Range(t.Context(), &consensusv1.RangeOp{Key: []byte{0}, RangeEnd: []byte{0}, Revision: revision})
		require.NoError(t, err)
		found := map[string]string{}
		for _, kv := range got.GetKvs() {
			found[string(kv.GetKey())] = string(kv.GetValue())
		}
		return found
	}
	require.Equal(t, map[string]string{"k": "2"}, at(3))
	require.Equal(t, map[string]string{"k": "3", "leased": "x"}, at(5))
	require.Equal(t, map[string]string{"leased": "x", "/d/f": "y"}, at(0))
	keys, exists, err := data.State.LeaseKeys(t.Context(), 77)
	require.NoError(t, err)
	require.True(t, exists)
	require.Equal(t, [][]byte{[]byte("leased")}, keys)
	due, err := data.State.Due(100, 10)
	require.NoError(t, err)
	require.Len(t, due, 2)
	seconds, known, err := data.State.TimeOf(t.Context(), 5)
	require.NoError(t, err)
	require.True(t, known)
	require.EqualValues(t, 5e9, seconds)

	users, err := auth.Load(func(fn func(string, []byte) error) error { return mvcc.Records(data.State.Store, fn) })
	require.NoError(t, err)
	require.True(t, users.Enabled())
	require.EqualValues(t, 9, users.Revision())
	require.False(t, auth.NewTokens(time.Minute, time.Now).Possible(users))
	require.Equal(t, []byte("h"), users.User("root").GetPasswordHash())
	require.True(t, users.User("v").GetNoPassword())
	require.Equal(t, []byte("a"), users.Role("r").GetPermissions()[0].GetKey())
	settings, _, _ := users.Exported()
	require.True(t, settings.GetGuest())
}

// Goal: all members of a restored cluster have the same state, so that they find no difference when they compare. Method: two directories of
// the same file, each another member's.
func TestMembersAreRestoredAlike(t *testing.T) {
	snapshot := file(t, full())
	digests := map[mvcc.Digest]bool{}
	for _, id := range []uint64{1, 2} {
		f := founders
		f.MemberID = id
		dataDir := t.TempDir()
		_, err := Restore(t.Context(), RestoreConfig{Snapshot: Snapshot{Path: snapshot}, DataDir: dataDir, Founding: f})
		require.NoError(t, err)
		for _, d := range open(t, dataDir).State.Digests() {
			digests[d] = true
		}
	}
	require.Len(t, digests, 1)
}

// Goal: with a higher revision nobody sees one again that it has seen after the snapshot, and what is older is compacted. Method: a restore with
// one.
func TestBumpedRevision(t *testing.T) {
	dataDir := t.TempDir()
	restored, err := Restore(t.Context(), RestoreConfig{Snapshot: Snapshot{Path: file(t, full())}, DataDir: dataDir, Founding: founders, BumpRevision: 1000})
	require.NoError(t, err)
	require.EqualValues(t, 1008, restored.Revision)
	require.EqualValues(t, 1008, restored.Compacted)
	require.EqualValues(t, 2, restored.Versions)
	data := open(t, dataDir)
	require.EqualValues(t, 1008, data.State.Revision())
	require.EqualValues(t, 1008, data.State.CompactedRevision())
	require.NoError(t, data.State.Verify(t.Context(), atOnce))
	_, err = Restore(t.Context(), RestoreConfig{Snapshot: Snapshot{Path: file(t, full())}, DataDir: t.TempDir(), Founding: founders, BumpRevision: 1 << 63})
	require.ErrorContains(t, err, "there is no revision")
}

// Goal: what is ours counts no more once an etcd has changed the file, and all else does. Method: a file to which a version was added behind
// our back.
func TestOutdatedPartIsLeftOut(t *testing.T) {
	path := file(t, full())
	change(t, path, func(tx *bbolt.Tx) error {
		return tx.Bucket([]byte("key")).Put([]byte("\x00\x00\x00\x00\x00\x00\x00\x0b_\x00\x00\x00\x00\x00\x00\x00\x00"), []byte("\x0a\x01n\x10\x0b\x18\x0b\x20\x01"))
	})
	dataDir := t.TempDir()
	restored, err := Restore(t.Context(), RestoreConfig{Snapshot: Snapshot{Path: path, SkipChecksum: true}, DataDir: dataDir, Founding: founders})
	require.NoError(t, err)
	require.True(t, restored.Outdated)
	require.EqualValues(t, 11, restored.Revision)
	require.EqualValues(t, 3, restored.Keys)
	due, err := open(t, dataDir).State.Due(1000, 10)
	require.NoError(t, err)
	require.Empty(t, due)
}

// change changes a file as etcd changes its database, which then has no checksum.
func change(t *testing.T, path string, fn func(*bbolt.Tx) error) {
	t.Helper()
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.NoError(t, os.Truncate(path, info.Size()-32))
	db, err := bbolt.Open(path, 0o600, nil)
	require.NoError(t, err)
	require.NoError(t, db.Update(fn))
	require.NoError(t, db.Close())
}

// Goal: a file that is no snapshot, or not the whole of one, is refused with what is wrong, and leaves nothing behind. Method: files with one
// thing wrong each.
func TestBadFilesAreRefused(t *testing.T) {
	good, err := os.ReadFile(file(t, full()))
	require.NoError(t, err)
	turned := bytes.Clone(good)
	turned[len(turned)/2] ^= 1
	empty := filepath.Join(t.TempDir(), "bolt.db")
	db, err := bbolt.Open(empty, 0o600, nil)
	require.NoError(t, err)
	require.NoError(t, db.Close())
	foreign, err := os.ReadFile(empty)
	require.NoError(t, err)
	for name, c := range map[string]struct {
		content []byte
		skip    bool
		err     error
		text    string
	}{
		"empty":                         {nil, false, ErrForeign, "too short"},
		"text":                          {bytes.Repeat([]byte("not a snapshot\n"), 100), false, ErrForeign, "not a bbolt file"},
		"another bbolt file":            {foreign, true, ErrForeign, "not etcd's"},
		"cut off":                       {good[:len(good)-20], false, ErrNoChecksum, "cut off"},
		"cut off early":                 {good[:len(good)/3], false, ErrDamaged, "cut off"},
		"cut off, its checksum passed":  {good[:len(good)/3], true, ErrDamaged, "cut off"},
		"cut off where a checksum fits": {good[:len(good)/2/512*512+32], false, ErrDamaged, "SHA-256"},
		"a byte turned":                 {turned, false, ErrDamaged, "SHA-256"},
		"without checksum":              {good[:len(good)-32], false, ErrNoChecksum, "--skip-hash-check"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "file")
			require.NoError(t, os.WriteFile(path, c.content, 0o600))
			dataDir := filepath.Join(t.TempDir(), "data")
			_, err := Restore(t.Context(), RestoreConfig{Snapshot: Snapshot{Path: path, SkipChecksum: c.skip}, DataDir: dataDir, Founding: founders})
			require.ErrorIs(t, err, c.err)
			require.ErrorContains(t, err, path)
			require.ErrorContains(t, err, c.text)
			require.NoDirExists(t, dataDir)
		})
	}
	_, err = Restore(t.Context(), RestoreConfig{Snapshot: Snapshot{Path: "/none"}, DataDir: t.TempDir(), Founding: founders})
	require.ErrorIs(t, err, os.ErrNotExist)
	copied := filepath.Join(t.TempDir(), "db")
	require.NoError(t, os.WriteFile(copied, good[:len(good)-32], 0o600))
	_, err = Restore(t.Context(), RestoreConfig{Snapshot: Snapshot{Path: copied, SkipChecksum: true}, DataDir: t.TempDir(), Founding: founders})
	require.NoError(t, err, "a copy of etcd's database")
}

// Goal: no page of a damaged file takes the program down, whatever is asked not to be checked. Method: each byte of the pages' heads of a small
// file is turned in turn.
func TestDamagedPagesAreErrors(t *testing.T) {
	good, err := os.ReadFile(file(t, full()))
	require.NoError(t, err)
	for at := 4096; at < len(good); at += 4096 {
		for _, offset := range []int{0, 8, 10, 12, 16, 20, 24, 28} {
			if at+offset >= len(good)-32 {
				continue
			}
			bad := bytes.Clone(good)
			bad[at+offset] ^= 0xff
			path := filepath.Join(t.TempDir(), "file")
			require.NoError(t, os.WriteFile(path, bad, 0o600))
			r, err := snapshotfile.Open(t.Context(), Snapshot{Path: path, SkipChecksum: true})
			if err != nil {
				continue
			}
			_ = r.Read(func(c *snapshotfile.Content) error {
				for _, err := range c.Versions {
					if err != nil {
						return err
					}
				}
				return nil
			})
			require.NoError(t, r.Close())
		}
	}
}

// Goal: nothing is restored over what is there, not even what a restore has left that was cut off, and what fails leaves a directory as it was.
// Method: directories with something in them; a file that turns out to be wrong late; a restore that is ended.
func TestNothingIsOverwritten(t *testing.T) {
	snapshot := Snapshot{Path: file(t, full())}
	full := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(full, "mine"), nil, 0o600))
	_, err := Restore(t.Context(), RestoreConfig{Snapshot: snapshot, DataDir: full, Founding: founders})
	require.ErrorIs(t, err, ErrNotEmpty)

	cutOff := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(cutOff, partName), 0o700))
	_, err = Restore(t.Context(), RestoreConfig{Snapshot: snapshot, DataDir: cutOff, Founding: founders})
	require.ErrorIs(t, err, ErrNotEmpty)
	require.ErrorContains(t, err, "cut off")

	bad := file(t, snapshotfile.State{Versions: each(version(5, 9, 1, "k", "v"), version(6, 5, 2, "k", "v"))})
	change(t, bad, func(tx *bbolt.Tx) error { return tx.Bucket([]byte("key")).Put([]byte("zz"), nil) })
	existing := t.TempDir()
	_, err = Restore(t.Context(), RestoreConfig{Snapshot: Snapshot{Path: bad, SkipChecksum: true}, DataDir: existing, Founding: founders})
	require.ErrorIs(t, err, ErrDamaged)
	entries, err := os.ReadDir(existing)
	require.NoError(t, err)
	require.Empty(t, entries)

	ended, end := context.WithTimeout(t.Context(), time.Nanosecond)
	defer end()
	<-ended.Done()
	_, err = Restore(ended, RestoreConfig{Snapshot: snapshot, DataDir: existing, Founding: founders})
	require.Error(t, err)
	entries, err = os.ReadDir(existing)
	require.NoError(t, err)
	require.Empty(t, entries)
}
