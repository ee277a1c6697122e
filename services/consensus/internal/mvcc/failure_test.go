package mvcc

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/stretchr/testify/require"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// A directory that a store has open cannot be opened again, and the error says why.
func TestOpenRefusesADirectoryInUse(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(Config{Dir: dir})
	require.NoError(t, err)
	_, err = Open(Config{Dir: dir})
	require.ErrorIs(t, err, ErrInUse)
	require.ErrorContains(t, err, dir)
	require.NoError(t, s.Close())
	s, err = Open(Config{Dir: dir})
	require.NoError(t, err)
	require.NoError(t, s.Close())
	require.NoError(t, s.Close(), "Close may be called twice")
}

// A directory that cannot be made or written is refused with its name and the system's reason.
func TestOpenRefusesADirectoryItCannotWrite(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err := Open(Config{Dir: filepath.Join(file, "state")})
	require.ErrorIs(t, err, syscall.ENOTDIR)
	require.ErrorContains(t, err, file)

	denied := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpCreate || op.Kind == errorfs.OpLock {
			return &os.PathError{Op: "open", Path: op.Path, Err: syscall.EACCES}
		}
		return nil
	}))
	_, err = Open(Config{Dir: "state", FS: denied})
	require.ErrorIs(t, err, syscall.EACCES)
	require.NotErrorIs(t, err, ErrInUse)
	require.ErrorContains(t, err, "state")
}

// Damage is found and named, not served: each file of a store in turn is cut short, has a byte turned over or is deleted,
// and the store either does not open, or fails reads with an error that names the file, or (where what is damaged is not
// needed) agrees with what was written.
func TestDamagedFilesAreNamed(t *testing.T) {
	intact, want := writtenStore(t)
	files, err := os.ReadDir(intact)
	require.NoError(t, err)
	refused := map[string]int{}
	for _, f := range files {
		for i, damage := range []func([]byte) []byte{
			func(b []byte) []byte { return b[:len(b)/2] },
			func(b []byte) []byte { b[len(b)/2] ^= 0x40; return b },
			func(b []byte) []byte { b[len(b)/4] ^= 0x40; return b },
			func([]byte) []byte { return nil },
		} {
			dir := t.TempDir()
			require.NoError(t, os.CopyFS(dir, os.DirFS(intact)))
			path := filepath.Join(dir, f.Name())
			b, err := os.ReadFile(path)
			require.NoError(t, err)
			if len(b) == 0 && i < 3 {
				continue // there is nothing to damage, but the file itself may be needed
			}
			require.NoError(t, os.Remove(path))
			if b = damage(b); b != nil {
				require.NoError(t, os.WriteFile(path, b, 0o600))
			}
			if err := readDamaged(t, dir, want); err != nil {
				kind, _, _ := strings.Cut(f.Name(), "-")
				refused[strings.TrimLeft(kind, "0123456789")]++
				require.ErrorContains(t, err, dir, "damaged %s", f.Name())
			}
		}
	}
	require.GreaterOrEqual(t, refused[".sst"], 3, "%v", refused)
	require.Equal(t, 4, refused["MANIFEST"], "%v", refused)
	require.Equal(t, 1, refused["marker.manifest.000001.MANIFEST"], "%v", refused)
}

// A manifest that is cut short, or names tables that are not there, ends in advice and not in a list of files or a trace: in
// the directory of a store that was killed.
func TestCutManifestGivesAdvice(t *testing.T) {
	closed, _ := writtenStore(t)
	for name, damage := range map[string]func(dir string) error{
		"cut": func(dir string) error {
			paths, err := filepath.Glob(filepath.Join(dir, "MANIFEST-*"))
			require.NoError(t, err)
			return os.Truncate(paths[len(paths)-1], 10)
		},
		"a table is missing": func(dir string) error {
			paths, err := filepath.Glob(filepath.Join(dir, "*.sst"))
			require.NoError(t, err)
			return os.Remove(paths[0])
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			require.NoError(t, os.CopyFS(dir, os.DirFS(closed)))
			require.NoError(t, os.Remove(filepath.Join(dir, cleanName)))
			require.NoError(t, damage(dir))
			_, err := Open(Config{Dir: dir})
			require.ErrorIs(t, err, ErrCorrupt)
			require.ErrorContains(t, err, recoverAdvice)
			require.NotContains(t, err.Error(), "\n")
		})
	}
}

// writtenStore returns the directory of a store that was closed, and what it holds.
func writtenStore(t *testing.T) (dir string, want map[string]string) {
	t.Helper()
	dir = t.TempDir()
	s, err := Open(Config{Dir: dir})
	require.NoError(t, err)
	for i := range 3 {
		var commands []*consensusv1.Command
		for j := range 200 {
			commands = append(commands, putCommand(fmt.Sprintf("key%d%04d", i, j), strings.Repeat("v", j)))
		}
		applyAll(t, s, uint64(i+1), commands...)
		require.NoError(t, s.Flush())
	}
	want = keysAt(t, s, 0)
	require.NoError(t, s.Close())
	return dir, want
}

// readDamaged returns the error of opening and reading the store. Without one, it must hold what is wanted.
func readDamaged(t *testing.T, dir string, want map[string]string) error {
	t.Helper()
	fatal := make(chan error, 1)
	s, err := Open(Config{Dir: dir, OnFatal: func(err error) { fatal <- err }})
	if err != nil {
		return err
	}
	defer func() { _ = s.Close() }()
	_, _, err = s.Range(context.Background(), &consensusv1.RangeOp{Key: []byte{0}, RangeEnd: []byte{0}})
	if err != nil {
		return fmt.Errorf("%w; reported: %w", err, <-fatal)
	}
	require.Equal(t, want, keysAt(t, s, 0))
	return nil
}

// A manifest whose end was being written when the power went is repaired; one with damage before intact records is
// refused, although nothing recorded how long it was.
func TestManifestAfterAPowerCut(t *testing.T) {
	intact, want := writtenStore(t)
	require.NoError(t, os.Remove(filepath.Join(intact, cleanName)))
	desc, err := pebble.Peek(intact, vfs.Default)
	require.NoError(t, err)
	manifest := filepath.Base(desc.ManifestFilename)
	b, err := os.ReadFile(filepath.Join(intact, manifest))
	require.NoError(t, err)
	for name, c := range map[string]struct {
		bytes   []byte
		refused bool
	}{
		"torn":           {append(slices.Clone(b), b[:20]...), false},
		"torn in header": {append(slices.Clone(b), b[:5]...), false},
		"zeroes":         {append(slices.Clone(b), make([]byte, 100)...), false},
		"first record":   {slices.Concat(b[:9], []byte{b[9] ^ 1}, b[10:]), true},
		"middle":         {slices.Concat(b[:len(b)/2], []byte{b[len(b)/2] ^ 1}, b[len(b)/2+1:]), true},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			require.NoError(t, os.CopyFS(dir, os.DirFS(intact)))
			require.NoError(t, os.WriteFile(filepath.Join(dir, manifest), c.bytes, 0o600))
			for range 2 {
				err := readDamaged(t, dir, want)
				if !c.refused {
					require.NoError(t, err)
					continue
				}
				require.ErrorIs(t, err, ErrCorrupt)
				require.ErrorContains(t, err, manifest)
			}
		})
	}
}

// Goal: what the system runs short of and has again ends nobody: a flush that finds no free descriptor is tried again until it
// does. Method: files cannot be made for some tries of a flush.
func TestShortageOfDescriptorsPasses(t *testing.T) {
	var short atomic.Bool
	var refused atomic.Int64
	disk := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpCreate && short.Load() {
			if refused.Add(1) == 5 {
				short.Store(false)
			}
			return &os.PathError{Op: "open", Path: op.Path, Err: syscall.EMFILE}
		}
		return nil
	}))
	fatal := make(chan error, 10)
	s, err := Open(Config{Dir: "state", FS: disk, OnFatal: func(err error) { fatal <- err }})
	require.NoError(t, err)
	applyAll(t, s, 1, putCommand("a", "1"))
	short.Store(true)
	require.NoError(t, s.Flush())
	require.EqualValues(t, 5, refused.Load())
	applyAll(t, s, 2, putCommand("a", "2"))
	require.NoError(t, s.Close())
	require.Empty(t, fatal)
}

// A full disk is reported once, refuses further commits, and loses nothing that was durable: the disk fills up, and later
// has room again.
func TestFullDiskStopsCommits(t *testing.T) {
	var full atomic.Bool
	mem := vfs.NewCrashableMem()
	disk := errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if full.Load() && (op.Kind == errorfs.OpFileWrite || op.Kind == errorfs.OpFileSync || op.Kind == errorfs.OpFileSyncData) {
			return &os.PathError{Op: "write", Path: op.Path, Err: syscall.ENOSPC}
		}
		return nil
	}))
	fatal := make(chan error, 10)
	s, err := Open(Config{Dir: "state", FS: disk, MemTableBytes: 64 << 10, OnFatal: func(err error) { fatal <- err }})
	require.NoError(t, err)
	applyAll(t, s, 1, putCommand("a", "1"))
	require.NoError(t, s.Flush())
	full.Store(true)
	applyAll(t, s, 2, putCommand("a", "2"))
	flushed, err := s.db.AsyncFlush()
	require.NoError(t, err)
	failure := <-fatal
	require.ErrorIs(t, failure, syscall.ENOSPC)
	require.ErrorContains(t, failure, "storage in state: ", "it says where")
	b := begin(s)
	_, _, err = b.Apply(putCommand("a", "3"))
	require.NoError(t, err)
	require.ErrorIs(t, b.Commit(), syscall.ENOSPC)
	require.ErrorIs(t, s.Flush(), syscall.ENOSPC)
	require.Equal(t, map[string]string{"a": "2"}, keysAt(t, s, 0), "what was committed can still be read")
	durable, err := s.DurableApplied()
	require.NoError(t, err)
	require.Equal(t, uint64(1), durable)
	after := mem.CrashClone(vfs.CrashCloneCfg{})
	full.Store(false)
	<-flushed
	require.NoError(t, s.Close())
	require.Empty(t, fatal, "reported more than once")

	s = openSmall(t, after)
	index, _ := s.Applied()
	require.Equal(t, uint64(1), index)
	require.Equal(t, map[string]string{"a": "1"}, keysAt(t, s, 0))
	require.NoError(t, s.Close())
}

// A long scan ends with its context.
func TestRangeEndsWithItsContext(t *testing.T) {
	s := openMem(t, vfs.NewMem())
	var commands []*consensusv1.Command
	for i := range 2 * scanRowsPerCheck {
		commands = append(commands, putCommand(fmt.Sprint(i), ""))
	}
	applyAll(t, s, 1, commands...)
	ctx, cancel := context.WithDeadline(context.Background(), time.Unix(0, 0))
	defer cancel()
	_, _, err := s.Range(ctx, &consensusv1.RangeOp{Key: []byte{0}, RangeEnd: []byte{0}})
	require.ErrorIs(t, err, context.DeadlineExceeded)
	_, err = NewRangeStream(&consensusv1.RangeOp{Key: []byte{0}, RangeEnd: []byte{0}}, 1<<20).Next(ctx, s)
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

// Goal: reads of history and of leases end with their context too: one that nobody waits for any more holds up no stop. Method: more rows
// of each than are read between two looks, and a context that has ended.
func TestHistoryAndLeasesEndWithTheirContext(t *testing.T) {
	s := openMem(t, vfs.NewMem())
	var commands []*consensusv1.Command
	for i := range 2 * scanRowsPerCheck {
		commands = append(commands, grantCommand(int64(i+1)), leasedCommand(fmt.Sprint(i), 1))
	}
	applyAll(t, s, 1, commands...)
	ctx, cancel := context.WithDeadline(context.Background(), time.Unix(0, 0))
	defer cancel()
	_, _, err := s.History(ctx, 1, 0, nil, nil, 0)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	_, _, _, err = s.HistoryParts(ctx, 1, 0, 0, 0)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	_, err = s.Leases(ctx)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	_, _, err = s.LeaseKeys(ctx, 1)
	require.ErrorIs(t, err, context.DeadlineExceeded)
}
