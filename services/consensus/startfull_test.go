package consensus

import (
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/stretchr/testify/require"
)

// A member that is started on a full disk ends with one message, although the storage engine tries to write a table of the
// log again and again and never comes back: tables cannot be written after a kill that leaves much in the log's memory.
func TestStartOnAFullDiskEndsWithOneMessage(t *testing.T) {
	disk := vfs.NewCrashableMem()
	m := start(t, testConfig(disk))
	for range 4 {
		m.mustPut(t, "key", strings.Repeat("v", 1<<20))
	}
	killed := disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 100, RNG: rand.New(rand.NewPCG(1, 1))})
	require.NoError(t, m.halt())

	var freed atomic.Bool
	t.Cleanup(func() { freed.Store(true) }) // lets the engine's goroutines end
	cfg := testConfig(errorfs.Wrap(killed, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if !freed.Load() && op.Kind == errorfs.OpCreate && strings.HasSuffix(op.Path, ".sst") {
			return syscall.ENOSPC
		}
		return nil
	})))
	var lines lineCount
	cfg.Logger = slog.New(slog.NewTextHandler(&lines, &slog.HandlerOptions{Level: slog.LevelError}))
	_, err := New(cfg)
	require.ErrorIs(t, err, syscall.ENOSPC)
	require.LessOrEqual(t, lines.Load(), int64(2))
}

// lineCount counts what a logger writes.
type lineCount struct{ atomic.Int64 }

func (l *lineCount) Write(b []byte) (int, error) {
	l.Add(1)
	return len(b), nil
}
