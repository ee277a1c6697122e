package logstore

import (
	"io/fs"
	"maps"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/stretchr/testify/require"
)

// Goal: a log whose next write-ahead file cannot be begun, or whose last one cannot be ended, says so and acknowledges nothing more; it
// does not take the process down with it. Method: one operation of files alone fails, and entries are appended until it is needed. The
// failure is told, and the append that met it is never answered: no other may be either.
func TestChangeOfWriteAheadFilesThatFails(t *testing.T) {
	for name, set := range map[string]func(*failingRotation){
		"the directory is gone": func(f *failingRotation) {
			f.create.Store(new(error(&fs.PathError{Op: "open", Path: "log", Err: syscall.ENOENT})))
		},
		"no room for the file's end": func(f *failingRotation) { f.end.Store(new(error(syscall.ENOSPC))) },
	} {
		t.Run(name, func(t *testing.T) {
			mem := vfs.NewCrashableMem()
			failing := &failingRotation{FS: mem}
			told := make(chan error, 1)
			s, err := Open(Config{Dir: "log", FS: failing, OnFatal: func(err error) { told <- err }})
			require.NoError(t, err)
			set(failing)
			acknowledged := new(atomic.Uint64)
			go func() {
				for next := uint64(1); ; next++ {
					entries := run(next, next, 1)
					entries[0].Data = make([]byte, 64<<10)
					if s.Append(entries, nil, true) != nil {
						return
					}
					acknowledged.Store(next)
				}
			}()
			err = <-told
			require.ErrorIs(t, err, ErrFailed)
			require.Regexp(t, "raft log write failed in log: (begin another|end a) file: ", err.Error())
			last := acknowledged.Load()
			require.Positive(t, last)

			again := openAt(t, mem.CrashClone(vfs.CrashCloneCfg{}), "log")
			require.GreaterOrEqual(t, len(all(t, again)), int(last))
		})
	}
}

// Goal: a file system on which no room can be set aside, as ZFS and NFS, takes a log as others do. Method: entries for several files, where it fails
// for each.
func TestFileSystemWithoutRoomSetAside(t *testing.T) {
	mem := vfs.NewMem()
	fsys := errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpFilePreallocate {
			return syscall.EOPNOTSUPP
		}
		return nil
	}))
	s := openAt(t, onDisk{fsys}, "log")
	seen := map[string]bool{}
	for next := uint64(1); len(seen) < 4; next++ {
		entries := run(next, next, 1)
		entries[0].Data = make([]byte, 64<<10)
		require.NoError(t, s.Append(entries, nil, true))
		names, err := mem.List("log")
		require.NoError(t, err)
		for _, name := range names {
			seen[name] = seen[name] || filepath.Ext(name) == ".log"
		}
		maps.DeleteFunc(seen, func(_ string, isLog bool) bool { return !isLog })
	}
}

// onDisk is a file system whose files have descriptors, without which Pebble asks for no room.
type onDisk struct{ vfs.FS }

func (o onDisk) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := o.FS.Create(name, category)
	return described{f}, err
}

type described struct{ vfs.File }

func (described) Fd() uintptr { return 0 }

// failingRotation fails to make write-ahead files, or to write what ends one, which is shorter than any entry here.
type failingRotation struct {
	vfs.FS
	create, end atomic.Pointer[error]
}

func (f *failingRotation) Unwrap() vfs.FS { return f.FS }

func (f *failingRotation) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	return f.begun(name, func() (vfs.File, error) { return f.FS.Create(name, category) })
}

func (f *failingRotation) ReuseForWrite(from, to string, category vfs.DiskWriteCategory) (vfs.File, error) {
	return f.begun(to, func() (vfs.File, error) { return f.FS.ReuseForWrite(from, to, category) })
}

func (f *failingRotation) begun(name string, begin func() (vfs.File, error)) (vfs.File, error) {
	if filepath.Ext(name) != ".log" {
		return begin()
	}
	if err := f.create.Load(); err != nil {
		return nil, *err
	}
	file, err := begin()
	return failingEnd{file, f}, err
}

type failingEnd struct {
	vfs.File
	of *failingRotation
}

func (f failingEnd) Write(p []byte) (int, error) {
	if err := f.of.end.Load(); err != nil && len(p) < 32 {
		return 0, *err
	}
	return f.File.Write(p)
}
