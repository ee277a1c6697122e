package logstore

import (
	"bytes"
	"encoding/binary"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"
	"go.etcd.io/raft/v3/raftpb"
)

// writeLog appends entries 1 to n, each synced alone, and returns the directory as a power cut would leave it, before
// Close wrote its witness.
func writeLog(t *testing.T, n uint64, payload int) string {
	t.Helper()
	dir, killed := filepath.Join(t.TempDir(), "log"), filepath.Join(t.TempDir(), "log")
	s := openAt(t, vfs.Default, dir)
	for i := uint64(1); i <= n; i++ {
		e := &raftpb.Entry{Index: new(i), Term: new(uint64(1)), Data: slices.Repeat([]byte{byte(i)}, payload)}
		require.NoError(t, s.Append([]*raftpb.Entry{e}, nil, true))
	}
	require.NoError(t, os.CopyFS(killed, os.DirFS(dir)))
	require.NoError(t, s.Close())
	return killed
}

func newestWALPath(t *testing.T, dir string) string {
	t.Helper()
	names, err := vfs.Default.List(dir)
	require.NoError(t, err)
	newest := newestWAL(names)
	require.NotEmpty(t, newest.name)
	return filepath.Join(dir, newest.name)
}

// chunksOf returns where the intact chunks of a write-ahead file begin, and where the last of them ends.
func chunksOf(t *testing.T, path string) (starts []int, end int) {
	t.Helper()
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	number := newestWAL([]string{filepath.Base(path)}).number
	for base := 0; base < len(data); base += walBlockSize {
		block := data[base:min(base+walBlockSize, len(data))]
		for at := 0; walBlockSize-at >= walHeaderSize; {
			size, _, ok := chunkAt(block, at, number)
			if !ok {
				break
			}
			starts = append(starts, base+at)
			at += size
			end = base + at
		}
	}
	return starts, end
}

func damageAt(t *testing.T, path string, offset int, change func(b []byte)) {
	t.Helper()
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	change(data[offset:])
	require.NoError(t, os.WriteFile(path, data, 0o600))
}

func flip(b []byte) { b[0] ^= 0xff }

// openSaying opens a log and returns what it had to say.
func openSaying(t *testing.T, dir string) (*Store, string) {
	t.Helper()
	var said bytes.Buffer
	s, err := Open(Config{Dir: dir, Logger: slog.New(slog.NewTextHandler(&said, &slog.HandlerOptions{Level: slog.LevelWarn}))})
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	return s, said.String()
}

// TestTornTailIsRepairedAndSaid cuts, zeroes or garbles the end of the newest write-ahead file, as an interrupted write does:
// the log opens with all entries before that, says what it dropped, and goes on.
func TestTornTailIsRepairedAndSaid(t *testing.T) {
	for name, tear := range map[string]func(t *testing.T, path string, last, end int){
		"cut": func(t *testing.T, path string, last, end int) {
			require.NoError(t, os.Truncate(path, int64(last+(end-last)/2)))
		},
		"cut in the header": func(t *testing.T, path string, last, _ int) {
			require.NoError(t, os.Truncate(path, int64(last+3)))
		},
		"zeroes": func(t *testing.T, path string, last, end int) {
			damageAt(t, path, last+(end-last)/2, func(b []byte) { clear(b) })
		},
		"a sector that was never written": func(t *testing.T, path string, last, end int) {
			sector := (last/walSectorSize + 1) * walSectorSize
			damageAt(t, path, sector, func(b []byte) { clear(b[:walSectorSize]) })
		},
		"an old sector of a file that is reused": func(t *testing.T, path string, last, end int) {
			damageAt(t, path, last+walHeaderSize+1, flip)
			old := make([]byte, walHeaderSize)
			old[6] = walKindFirst
			binary.LittleEndian.PutUint32(old[7:], 1)
			binary.LittleEndian.PutUint32(old, walChecksum(old[6:]))
			data, err := os.ReadFile(path)
			require.NoError(t, err)
			data = append(append(data, make([]byte, walBlockSize-len(data)%walBlockSize)...), old...)
			require.NoError(t, os.WriteFile(path, data, 0o600))
		},
		"an old sector in the last block of a file that is reused": func(t *testing.T, path string, last, end int) {
			damageAt(t, path, last+walHeaderSize+1, flip)
			data, err := os.ReadFile(path)
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(path, append(data[:end], "the rest of an old record"...), 0o600))
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := writeLog(t, 20, 1300)
			path := newestWALPath(t, dir)
			starts, end := chunksOf(t, path)
			tear(t, path, starts[len(starts)-1], end)

			s, said := openSaying(t, dir)
			require.Contains(t, said, "dropped-bytes=")
			require.Contains(t, said, "last-index-kept=19")
			last, err := s.LastIndex()
			require.NoError(t, err)
			require.Equal(t, uint64(19), last)
			require.NoError(t, s.Append(run(20, 21, 1), nil, true))
			require.NoError(t, s.Close())
			s, said = openSaying(t, dir)
			require.Len(t, all(t, s), 21)
			require.Empty(t, said)
		})
	}
}

// TestDamagedEndIsRefused turns over a byte of the last record of a member that was killed. All of the record's sectors were
// written, so it was not cut off: it may have been acknowledged, and the log refuses to go on without it, and names the file.
// What was not damaged opens in silence.
func TestDamagedEndIsRefused(t *testing.T) {
	dir := writeLog(t, 20, 1300)
	path := newestWALPath(t, dir)
	intact := filepath.Join(t.TempDir(), "log")
	require.NoError(t, os.CopyFS(intact, os.DirFS(dir)))
	starts, _ := chunksOf(t, path)
	damageAt(t, path, starts[len(starts)-1]+walHeaderSize+700, flip)
	for range 2 {
		_, err := Open(Config{Dir: dir})
		require.ErrorIs(t, err, ErrCorrupt)
		require.ErrorContains(t, err, path)
		require.ErrorContains(t, err, recoverAdvice)
	}
	s, said := openSaying(t, intact)
	require.Len(t, all(t, s), 20)
	require.Empty(t, said)
}

// TestDamagedMiddleIsRefused damages one record of the newest write-ahead file, near its end (where Pebble alone takes
// it for a torn tail) and in an earlier block: Open must name the file and refuse, and keep refusing.
func TestDamagedMiddleIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		fromEnd int
		offset  int // within the chunk
	}{
		"payload near the end": {fromEnd: 4, offset: walHeaderSize + 20},
		"checksum":             {fromEnd: 4, offset: 0},
		"size":                 {fromEnd: 4, offset: 4},
		"kind":                 {fromEnd: 4, offset: 6},
		"number":               {fromEnd: 4, offset: 7},
		"earlier block":        {fromEnd: 150, offset: walHeaderSize + 20},
		"first":                {fromEnd: 201, offset: walHeaderSize + 1},
	} {
		t.Run(name, func(t *testing.T) {
			dir := writeLog(t, 200, 300)
			path := newestWALPath(t, dir)
			starts, _ := chunksOf(t, path)
			damageAt(t, path, starts[max(len(starts)-c.fromEnd, 0)]+c.offset, flip)
			for range 2 {
				_, err := Open(Config{Dir: dir})
				require.ErrorIs(t, err, ErrCorrupt)
				require.ErrorContains(t, err, filepath.Base(path))
				require.ErrorContains(t, err, "do not delete files")
			}
		})
	}
}

// TestDamagedLastRecordAfterCloseIsRefused shows that Close leaves a witness: even the last record cannot be lost
// without notice after an orderly stop.
func TestDamagedLastRecordAfterCloseIsRefused(t *testing.T) {
	dir := t.TempDir()
	s := openAt(t, vfs.Default, dir)
	require.NoError(t, s.Append(run(1, 3, 1), nil, true))
	path := newestWALPath(t, dir)
	before, _ := chunksOf(t, path)
	require.NoError(t, s.Close())

	damageAt(t, path, before[len(before)-1]+walHeaderSize+1, flip)
	_, err := Open(Config{Dir: dir})
	require.ErrorIs(t, err, ErrCorrupt)
}

// TestCutBelowCommitIsRefused cuts the log of a member whose hard state, kept in a table by then, knows that more was
// committed: ErrMissing, not a shorter log.
func TestCutBelowCommitIsRefused(t *testing.T) {
	dir := t.TempDir()
	s := openAt(t, vfs.Default, dir)
	require.NoError(t, s.Append(run(1, 3, 1), hardState(1, 1, 3), true))
	require.NoError(t, s.engine.db.Flush())
	require.NoError(t, s.engine.db.Delete(entryKey(3), nil))
	require.NoError(t, s.CheckApplied(3))
	require.ErrorIs(t, s.CheckApplied(4), ErrMissing)
	require.NoError(t, s.Close())
	_, err := Open(Config{Dir: dir})
	require.ErrorIs(t, err, ErrMissing)
	require.ErrorContains(t, err, "ends at entry 2, but entry 3 was committed")
}

// TestDamagedRecordsAreRefused plants wrong values in the database itself and shows which error each gives.
func TestDamagedRecordsAreRefused(t *testing.T) {
	for name, plant := range map[string]func(s *Store) error{
		"checksum": func(s *Store) error { return s.engine.db.Set(entryKey(2), []byte("not sealed"), nil) },
		"hole":     func(s *Store) error { return s.engine.db.Delete(entryKey(2), nil) },
		"place": func(s *Store) error {
			value, closer, err := s.engine.db.Get(entryKey(1))
			if err != nil {
				return err
			}
			defer func() { _ = closer.Close() }()
			return s.engine.db.Set(entryKey(2), value, nil)
		},
		"term": func(s *Store) error {
			b := s.engine.db.NewBatch()
			if err := stageEntry(b, entry(3, 1)); err != nil {
				return err
			}
			return b.Commit(nil)
		},
		"truncation point": func(s *Store) error { return s.engine.db.Set(truncatedKey, seal(truncatedKey, []byte{1}), nil) },
		"hard state":       func(s *Store) error { return s.engine.db.Set(hardStateKey, []byte{1, 2, 3, 4, 5}, nil) },
	} {
		t.Run(name, func(t *testing.T) {
			fs := vfs.NewMem()
			s := openAt(t, fs, "log")
			require.NoError(t, s.Append(run(1, 4, 2), hardState(2, 1, 1), true))
			require.NoError(t, plant(s))
			require.NoError(t, s.Close())
			_, err := Open(Config{Dir: "log", FS: fs})
			require.ErrorIs(t, err, ErrCorrupt)
		})
	}
}

// TestOtherLayoutIsRefused shows that a log written by another version is not read as if it were ours.
func TestOtherLayoutIsRefused(t *testing.T) {
	fs := vfs.NewMem()
	s := openAt(t, fs, "log")
	require.NoError(t, s.engine.db.Set(versionKey, seal(versionKey, []byte{layoutVersion + 1}), nil))
	require.NoError(t, s.Close())
	_, err := Open(Config{Dir: "log", FS: fs})
	require.ErrorIs(t, err, ErrOtherLayout)
	require.ErrorContains(t, err, "start the version of the program that wrote it")
}

// TestMissingFilesAreRefused deletes files that Pebble could do without, by starting empty or short.
func TestMissingFilesAreRefused(t *testing.T) {
	for name, pattern := range map[string]string{"manifest marker": "marker.manifest*", "write-ahead files": "*.log"} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := openAt(t, vfs.Default, dir)
			require.NoError(t, s.Append(run(1, 3, 1), nil, true))
			require.NoError(t, s.engine.db.Flush())
			require.NoError(t, s.Close())
			paths, err := filepath.Glob(filepath.Join(dir, pattern))
			require.NoError(t, err)
			require.NotEmpty(t, paths)
			for _, path := range paths {
				require.NoError(t, os.Remove(path))
			}
			_, err = Open(Config{Dir: dir})
			require.ErrorIs(t, err, ErrCorrupt)
		})
	}
}

// TestDamagedTableIsRefused garbles a flushed table: Open reads it while it verifies the entries.
func TestDamagedTableIsRefused(t *testing.T) {
	dir := t.TempDir()
	s := openAt(t, vfs.Default, dir)
	require.NoError(t, s.Append(run(1, 300, 1), nil, true))
	require.NoError(t, s.engine.db.Flush())
	require.NoError(t, s.Close())
	tables, err := filepath.Glob(filepath.Join(dir, "*.sst"))
	require.NoError(t, err)
	require.NotEmpty(t, tables)
	for _, table := range tables {
		damageAt(t, table, 100, flip)
	}
	_, err = Open(Config{Dir: dir})
	require.ErrorIs(t, err, ErrCorrupt)
	require.ErrorContains(t, err, dir)
}

// TestDirectoryInUse opens a directory twice in one process, and from a second process.
func TestDirectoryInUse(t *testing.T) {
	if dir := os.Getenv("LOGSTORE_TEST_DIR"); dir != "" {
		_, err := Open(Config{Dir: dir})
		require.ErrorIs(t, err, ErrInUse)
		require.ErrorContains(t, err, "another process uses "+dir)
		return
	}
	dir := t.TempDir()
	openAt(t, vfs.Default, dir)
	_, err := Open(Config{Dir: dir})
	require.ErrorIs(t, err, ErrInUse)

	child := exec.Command(os.Args[0], "-test.run=^TestDirectoryInUse$")
	child.Env = append(os.Environ(), "LOGSTORE_TEST_DIR="+dir)
	out, err := child.CombinedOutput()
	require.NoError(t, err, string(out))
}

// TestDirectoryUnderAFile shows the message for a path that cannot be a directory.
func TestDirectoryUnderAFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err := Open(Config{Dir: filepath.Join(file, "log")})
	require.ErrorIs(t, err, ErrNotWritable)
}

// FuzzCheckWAL feeds arbitrary bytes to the check of the write-ahead file: it must neither panic nor refuse what has
// no room for an intact chunk.
func FuzzCheckWAL(f *testing.F) {
	chunk := make([]byte, walHeaderSize+4)
	chunk[6] = walKindFirst
	binary.LittleEndian.PutUint16(chunk[4:], 4)
	binary.LittleEndian.PutUint32(chunk[7:], 3)
	binary.LittleEndian.PutUint32(chunk, walChecksum(chunk[6:]))
	f.Add(chunk)
	f.Add([]byte(strings.Repeat("\x00", walBlockSize+5)))
	f.Fuzz(func(t *testing.T, data []byte) {
		mem := vfs.NewMem()
		file, err := mem.Create("000003.log", vfs.WriteCategoryUnspecified)
		require.NoError(t, err)
		_, err = file.Write(data)
		require.NoError(t, err)
		require.NoError(t, file.Close())
		torn, err := checkNewestWAL(mem, "000003.log", 3)
		if err != nil {
			require.ErrorIs(t, err, ErrCorrupt)
			require.GreaterOrEqual(t, len(data), walHeaderSize, "there is no room for a record that is damaged")
		}
		if torn != nil {
			require.Positive(t, torn.bytes)
			require.LessOrEqual(t, torn.offset+torn.bytes, uint64(len(data)))
		}
	})
}
