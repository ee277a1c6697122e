package moving

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/quoratedb/quorate/tests/harness"
)

// etcds are the etcds whose directories are migrated: that of the peers, or those that QUORATE_TEST_ETCDS names.
func etcds(p programs) []string {
	if named := os.Getenv("QUORATE_TEST_ETCDS"); named != "" {
		return strings.Fields(named)
	}
	return []string{p.etcd}
}

const (
	// loadWriters are the clients of the load, and loadWrites how much all of them write before the etcd is killed.
	loadWriters = 4
	loadWrites  = 900
	// loadKept is how many of the revisions are not compacted.
	loadKept = 400
	// loadWithin bounds the load.
	loadWithin = 2 * time.Minute
)

// load writes, of everything that is in an etcd's log, until the server is killed under it. It returns the newest revision that was acknowledged,
// and what the store was compacted at.
func load(t *testing.T, s *harness.Server) (acknowledged, compactedAt int64) {
	t.Helper()
	root := dial(t, s, "root", "secret")
	var newest, count atomic.Int64
	ctx, stop := context.WithTimeout(t.Context(), loadWithin)
	defer stop()
	var writers sync.WaitGroup
	for w := range loadWriters {
		writers.Go(func() {
			rng := rand.New(rand.NewPCG(1, uint64(w)))
			for ctx.Err() == nil {
				revision, err := write(ctx, root, rng)
				if err != nil {
					continue // it is killed, or, with etcd 3.4, another writer has added a user meanwhile
				}
				for seen := newest.Load(); revision > seen && !newest.CompareAndSwap(seen, revision); seen = newest.Load() {
				}
				switch count.Add(1) {
				case loadWrites - loadKept:
					for compactedAt == 0 && ctx.Err() == nil {
						if at := newest.Load(); compact(ctx, root, at) == nil {
							compactedAt = at
						}
					}
				case loadWrites:
					s.Kill()
					stop()
				}
			}
		})
	}
	writers.Wait()
	require.Positive(t, compactedAt)
	return newest.Load(), compactedAt
}

func compact(ctx context.Context, c *clientv3.Client, at int64) error {
	_, err := c.Compact(ctx, at)
	return err
}

// write makes one change.
func write(ctx context.Context, c *clientv3.Client, rng *rand.Rand) (revision int64, err error) {
	key := func() string { return fmt.Sprintf("k/%d", rng.IntN(40)) }
	value := strings.Repeat("v", rng.IntN(2000))
	switch n := rng.IntN(20); {
	case n < 2:
		got, err := c.Delete(ctx, key())
		return of(got, err)
	case n < 3:
		got, err := c.Delete(ctx, "k/1", clientv3.WithPrefix())
		return of(got, err)
	case n < 6:
		k := key()
		got, err := c.Txn(ctx).If(clientv3.Compare(clientv3.Version(k), ">", rng.IntN(3))).
			Then(clientv3.OpPut(k, value), clientv3.OpDelete("k/2"), clientv3.OpPut("t/"+k, "")).Else(clientv3.OpGet(k), clientv3.OpPut(k, "else")).Commit()
		return of(got, err)
	case n < 8:
		lease, err := c.Grant(ctx, 3600)
		if err != nil {
			return 0, err
		}
		if _, err := c.Put(ctx, key(), value, clientv3.WithLease(lease.ID)); err != nil {
			return 0, err
		}
		if rng.IntN(2) == 0 {
			_, err = c.Revoke(ctx, lease.ID)
		}
		return 0, err
	case n < 9:
		name := fmt.Sprint("user", rng.Int())
		if _, err := c.UserAdd(ctx, name, "p"); err != nil {
			return 0, err
		}
		_, err := c.UserGrantRole(ctx, name, "reader")
		return 0, err
	}
	got, err := c.Put(ctx, key(), value)
	return of(got, err)
}

// of is the revision of an answer, if there is one.
func of(answer interface{ OpResponse() clientv3.OpResponse }, err error) (int64, error) {
	if err != nil {
		return 0, err
	}
	got := answer.OpResponse()
	switch {
	case got.Put() != nil:
		return got.Put().Header.GetRevision(), nil
	case got.Del() != nil:
		return got.Del().Header.GetRevision(), nil
	}
	return got.Txn().Header.GetRevision(), nil
}

// migrated starts a server on what the tool makes of an etcd's directory.
func migrated(t *testing.T, p programs, from string) *harness.Server {
	t.Helper()
	s := harness.New(harness.Config{Binary: p.quorate, DataDir: filepath.Join(t.TempDir(), "migrated")})
	said, err := exec.CommandContext(t.Context(), p.quorateutl, "migrate-from-etcd", from, "--data-dir", s.DataDir()).CombinedOutput()
	require.NoError(t, err, "%s", said)
	t.Logf("%s", said)
	require.NoError(t, s.Start(t.Context()))
	t.Cleanup(s.Kill)
	return s
}

// Goal: an etcd that was killed under load and migrated has every key with every version, revision and lease, every event, user and role that it
// would have had itself, and so all that it acknowledged. Method: the etcd is killed while most of what it wrote is in its log alone; what it tells
// after a restart on a copy of its directory is compared with what the migrated store tells.
func TestKilledEtcdIsMigrated(t *testing.T) {
	p := built(t)
	for _, binary := range etcds(p) {
		t.Run(filepath.Base(binary), func(t *testing.T) {
			args := []string{"--backend-batch-interval=1h", "--backend-batch-limit=1000000", "--snapshot-count=900", "--bcrypt-cost=4"}
			etcd := harness.New(harness.Config{Binary: binary, DataDir: filepath.Join(t.TempDir(), "data"), Args: args})
			require.NoError(t, etcd.Start(t.Context()))
			t.Cleanup(etcd.Kill)
			fill(t, dial(t, etcd, "", ""))
			acknowledged, compactedAt := load(t, etcd)

			killed := filepath.Join(t.TempDir(), "killed")
			require.NoError(t, os.CopyFS(killed, os.DirFS(etcd.DataDir())))
			require.NoError(t, etcd.Start(t.Context()))
			want := told(t, dial(t, etcd, "root", "secret"), compactedAt)
			etcd.Kill()

			ours := migrated(t, p, killed)
			root := dial(t, ours, "root", "secret")
			got := told(t, root, compactedAt)
			isAuth := func(line string) bool { return strings.HasPrefix(line, harness.ToldAuth) }
			if !slices.ContainsFunc(want, isAuth) {
				got = slices.DeleteFunc(got, isAuth)
			}
			for i := range min(len(want), len(got)) {
				require.Equal(t, want[i], got[i])
			}
			require.Equal(t, len(want), len(got))
			newest, err := root.Get(t.Context(), "k/5")
			require.NoError(t, err)
			require.GreaterOrEqual(t, newest.Header.Revision, acknowledged)
			requirePasswords(t, ours)
		})
	}
}

// Goal: a directory that is in use, damaged, foreign, or where there is data already is refused, says so, and nothing is made or overwritten.
// Method: directories with one thing wrong each, of an etcd that runs and of one that was killed.
func TestBadDirectoriesAreNotMigrated(t *testing.T) {
	p := built(t)
	etcd := harness.New(harness.Config{Binary: p.etcd, DataDir: filepath.Join(t.TempDir(), "data"), Args: []string{"--backend-batch-interval=1h"}})
	require.NoError(t, etcd.Start(t.Context()))
	t.Cleanup(etcd.Kill)
	c := dial(t, etcd, "", "")
	for i := range 50 {
		_, err := c.Put(t.Context(), fmt.Sprint("key", i), strings.Repeat("v", 300))
		require.NoError(t, err)
	}
	migrate := func(from, to string) (string, error) {
		said, err := exec.CommandContext(t.Context(), p.quorateutl, "migrate-from-etcd", from, "--data-dir", to).CombinedOutput()
		return string(said), err
	}
	to := filepath.Join(t.TempDir(), "to")
	said, err := migrate(etcd.DataDir(), to)
	require.Error(t, err)
	require.Contains(t, said, "open in another program")
	etcd.Kill()

	wal := func(dir string) string {
		return filepath.Join(dir, "member", "wal", "0000000000000000-0000000000000000.wal")
	}
	change := func(fn func([]byte) []byte) func(string) {
		return func(dir string) {
			content, err := os.ReadFile(wal(dir))
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(wal(dir), fn(content), 0o600))
		}
	}
	for name, bad := range map[string]struct {
		harm func(dir string)
		text string
	}{
		"empty":         {func(dir string) { require.NoError(t, os.RemoveAll(filepath.Join(dir, "member"))) }, "is no data directory of etcd's"},
		"without a log": {func(dir string) { require.NoError(t, os.Remove(wal(dir))) }, "is no data directory of etcd's"},
		"a byte turned": {change(func(b []byte) []byte { b[bytes.Index(b, []byte("key20"))] ^= 1; return b }), "is damaged"},
		"a torn middle": {change(func(b []byte) []byte { clear(b[bytes.Index(b, []byte("key20")):][:1100]); return b }), "is damaged"},
		"a foreign file": {func(dir string) {
			require.NoError(t, os.WriteFile(filepath.Join(dir, "member", "snap", "db"), make([]byte, 9000), 0o600))
		}, "is no snapshot"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "bad")
			require.NoError(t, os.CopyFS(dir, os.DirFS(etcd.DataDir())))
			bad.harm(dir)
			said, err := migrate(dir, to)
			require.Error(t, err)
			require.Contains(t, said, bad.text)
			require.NoDirExists(t, to)
		})
	}
	said, err = migrate(etcd.DataDir(), etcd.DataDir())
	require.Error(t, err)
	require.Contains(t, said, "is not empty")

	// What is half written at the end was never acknowledged.
	change(func(b []byte) []byte { return b[:bytes.LastIndex(b, []byte("key49"))+20] })(etcd.DataDir())
	said, err = migrate(etcd.DataDir(), to)
	require.NoError(t, err, said)
	require.Contains(t, said, "not written whole")
}
