package logstore

import (
	"errors"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/stretchr/testify/require"
	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
)

// TestCrashKeepsWhatWasSynced crashes Pebble's in-memory filesystem at random points, losing part of what was not
// synced. Every synced append must survive, and what survives of the others must be a prefix of them, whole appends
// with their hard state.
func TestCrashKeepsWhatWasSynced(t *testing.T) {
	for seed := range uint64(25) {
		rng := rand.New(rand.NewPCG(seed, 1))
		fs := vfs.NewCrashableMem()
		var written []*raftpb.Entry
		for range 3 { // crashes of one and the same directory
			s, err := Open(Config{Dir: "data/log", FS: fs})
			require.NoError(t, err, "seed %d", seed)
			synced := len(written)
			for range 1 + rng.IntN(30) {
				next := uint64(len(written) + 1)
				batch := bigRun(rng, next, next+uint64(rng.IntN(4)))
				written = append(written, batch...)
				sync := rng.IntN(3) == 0
				require.NoError(t, s.Append(batch, hardState(1, 1, uint64(len(written))), sync))
				if sync {
					synced = len(written)
				}
			}
			crashed := fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: rng.IntN(101), RNG: rng})
			_ = s.Close()

			s, err = Open(Config{Dir: "data/log", FS: crashed})
			require.NoError(t, err, "seed %d", seed)
			survived := all(t, s)
			require.GreaterOrEqual(t, len(survived), synced, "seed %d", seed)
			requireEntries(t, written[:len(survived)], survived, "seed", seed)
			hs, _, err := s.InitialState()
			require.NoError(t, err)
			require.Equal(t, uint64(len(survived)), hs.GetCommit(), "seed %d: an append is whole", seed)
			require.NoError(t, s.Close())
			fs, written = crashed, survived
		}
	}
}

// bigRun returns entries large enough that a few fill a block of the write-ahead file.
func bigRun(rng *rand.Rand, first, last uint64) []*raftpb.Entry {
	entries := run(first, last, 1)
	for _, e := range entries {
		e.Data = make([]byte, 1+rng.IntN(20<<10))
		e.Data[0] = byte(e.GetIndex())
	}
	return entries
}

// TestFullDiskStopsWritesAndLosesNothing fills the disk under an open log: the append returns the cause, the hook is
// told once, later writes are refused, and a restart with space finds all that was acknowledged.
func TestFullDiskStopsWritesAndLosesNothing(t *testing.T) {
	mem := vfs.NewCrashableMem()
	full := &errorfs.Toggle{Injector: errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpFileWrite || op.Kind == errorfs.OpFileSyncData || op.Kind == errorfs.OpFileSync {
			return syscall.ENOSPC
		}
		return nil
	})}
	var told []error
	s, err := Open(Config{Dir: "log", FS: errorfs.Wrap(mem, full), OnFatal: func(err error) { told = append(told, err) }})
	require.NoError(t, err)
	require.NoError(t, s.Append(run(1, 5, 1), hardState(1, 1, 5), true))

	full.On()
	err = s.Append(run(6, 7, 1), nil, true)
	require.ErrorIs(t, err, ErrFailed)
	require.ErrorIs(t, err, syscall.ENOSPC)
	last, err := s.LastIndex()
	require.NoError(t, err)
	require.Equal(t, uint64(5), last)
	require.Len(t, told, 1)
	full.Off()
	require.ErrorIs(t, s.Append(run(6, 7, 1), nil, true), ErrFailed, "what the disk holds is unknown until reopened")
	require.ErrorIs(t, s.SetBlob("x", nil), ErrFailed)
	require.Len(t, told, 1)

	crashed := mem.CrashClone(vfs.CrashCloneCfg{})
	require.ErrorIs(t, s.Close(), ErrFailed)
	s = openAt(t, crashed, "log")
	requireEntries(t, run(1, 5, 1), all(t, s)[:5])
	hs, _, err := s.InitialState()
	require.NoError(t, err)
	require.True(t, proto.Equal(hardState(1, 1, 5), hs))
}

// TestFullDiskDuringFlush lets the write-ahead file be written while tables cannot: the failure of the flush in the
// background must stop the log before appends hang.
func TestFullDiskDuringFlush(t *testing.T) {
	mem := vfs.NewMem()
	full := &errorfs.Toggle{Injector: errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpCreate && strings.HasSuffix(op.Path, ".sst") {
			return syscall.ENOSPC
		}
		return nil
	})}
	told := make(chan error, 1)
	s, err := Open(Config{Dir: "log", FS: errorfs.Wrap(mem, full), OnFatal: func(err error) { told <- err }})
	require.NoError(t, err)
	full.On()
	next := uint64(1)
	for ; ; next++ {
		err := s.Append(run(next, next, 1), nil, true)
		if next == 100 {
			_, err := s.engine.db.AsyncFlush()
			require.NoError(t, err)
		}
		if err != nil {
			require.ErrorIs(t, err, syscall.ENOSPC)
			break
		}
	}
	require.ErrorIs(t, <-told, syscall.ENOSPC)
	require.ErrorIs(t, s.Close(), ErrFailed)
	require.GreaterOrEqual(t, len(all(t, openAt(t, mem, "log"))), int(next-1))
}

// Goal: the log is handled as the state is: a flush that finds no free descriptor is tried again until it does, and one that
// fails for a reason that does not pass ends the log, whichever it is. Method: tables cannot be made for some tries.
func TestFlushThatFailsForAWhile(t *testing.T) {
	for _, c := range []struct {
		cause  error
		passes bool
	}{{syscall.EMFILE, true}, {syscall.EPERM, false}} {
		var refused atomic.Int64
		failing := &errorfs.Toggle{Injector: errorfs.InjectorFunc(func(op errorfs.Op) error {
			if op.Kind == errorfs.OpCreate && strings.HasSuffix(op.Path, ".sst") && refused.Add(1) <= 5 {
				return c.cause
			}
			return nil
		})}
		told := make(chan error, 1)
		s, err := Open(Config{Dir: "log", FS: errorfs.Wrap(vfs.NewMem(), failing), OnFatal: func(err error) { told <- err }})
		require.NoError(t, err)
		require.NoError(t, s.Append(run(1, 5, 1), nil, true))
		failing.On()
		require.NoError(t, s.engine.db.Flush())
		require.EqualValues(t, 6, refused.Load())
		if c.passes {
			require.NoError(t, s.Append(run(6, 7, 1), nil, true))
			require.Empty(t, told)
			require.NoError(t, s.Close())
			continue
		}
		require.ErrorIs(t, <-told, c.cause)
		require.ErrorIs(t, s.Append(run(6, 7, 1), nil, true), c.cause)
		require.ErrorIs(t, s.Close(), ErrFailed)
	}
}

// TestOpenOnFullDisk opens an existing log without space to open it: the cause is named, and a later Open with space
// finds everything.
func TestOpenOnFullDisk(t *testing.T) {
	mem := vfs.NewMem()
	s := openAt(t, mem, "log")
	require.NoError(t, s.Append(run(1, 5, 1), nil, true))
	require.NoError(t, s.Close())
	full := errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpFileWrite || op.Kind == errorfs.OpFileSync {
			return syscall.ENOSPC
		}
		return nil
	})
	_, err := Open(Config{Dir: "log", FS: errorfs.Wrap(mem, full)})
	require.ErrorIs(t, err, syscall.ENOSPC)
	require.ErrorContains(t, err, "directory log")
	requireEntries(t, run(1, 5, 1), all(t, openAt(t, mem, "log")))
}

// TestOpenOnFullOrReadOnlyDisk shows that a directory which cannot be written is reported as such.
func TestOpenOnFullOrReadOnlyDisk(t *testing.T) {
	for _, cause := range []error{syscall.EACCES, syscall.EROFS, syscall.ENOSPC} {
		denied := errorfs.InjectorFunc(func(op errorfs.Op) error {
			if op.Kind.ReadOrWrite() == errorfs.OpIsWrite {
				return cause
			}
			return nil
		})
		_, err := Open(Config{Dir: "log", FS: errorfs.Wrap(vfs.NewMem(), denied)})
		require.ErrorIs(t, err, ErrNotWritable)
		require.True(t, errors.Is(err, cause), "%v", err)
		require.ErrorContains(t, err, "log")
	}
}
