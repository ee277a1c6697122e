package consensus

import (
	"log/slog"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/stretchr/testify/require"

	"github.com/quoratedb/quorate/services/consensus/internal/datadir"
)

// Goal: a state that cannot be written while it is installed, whatever fails, is told of once and holds nothing up: the
// call returns, the member serves on with what it has or ends with one message, and can be stopped. Method: a follower whose
// disk refuses one kind of write to the directories of received states, from then on.
func TestInstallOnAFailingDiskEndsWithOneMessage(t *testing.T) {
	for name, fails := range map[string]func(errorfs.Op) bool{
		"tables cannot be made":    func(op errorfs.Op) bool { return op.Kind == errorfs.OpCreate && strings.HasSuffix(op.Path, ".sst") },
		"tables cannot be written": func(op errorfs.Op) bool { return op.Kind == errorfs.OpFileWrite && strings.HasSuffix(op.Path, ".sst") },
		"manifests cannot be made": func(op errorfs.Op) bool { return op.Kind == errorfs.OpCreate && strings.Contains(op.Path, "MANIFEST") },
		"manifests cannot be synced": func(op errorfs.Op) bool {
			return op.Kind == errorfs.OpFileSync && strings.Contains(op.Path, "MANIFEST")
		},
		"nothing can be read": func(op errorfs.Op) bool { return op.Kind == errorfs.OpFileReadAt },
	} {
		t.Run(name, func(t *testing.T) {
			var failing, freed atomic.Bool
			t.Cleanup(func() { freed.Store(true) }) // lets the engine's goroutines end
			var lines lineCount
			var chosen atomic.Uint64
			net, members := clusterWith(t, 3, func(c *Config) {
				id := c.MemberID
				c.FS = errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
					if chosen.Load() == id && failing.Load() && !freed.Load() && strings.Contains(op.Path, "/"+datadir.ReceivedPrefix) && fails(op) {
						return syscall.ENOSPC
					}
					return nil
				}))
				c.Logger = slog.New(slog.NewTextHandler(&lines, &slog.HandlerOptions{Level: slog.LevelError}))
			}, nil)
			leader := leaderOf(t, members)
			f := otherThan(members, leader)
			leader.mustPut(t, "k", "old")
			require.Equal(t, "old", f.get(t, "k"))
			net.isolate(f.MemberID(), true)
			writeUntilAcknowledged(t, leader, "k", "new")
			snapshot := received(t, leader, f, "received")
			chosen.Store(f.MemberID())
			failing.Store(true)
			installed := make(chan error, 1)
			go func() { installed <- f.Receiver().InstallSnapshot(t.Context(), snapshot) }()
			require.Error(t, awaitEvent(t, installed, "the end of the installation"))
			f.stop()
			awaitEvent(t, f.ended, "the end of the member")
			require.LessOrEqual(t, lines.Load(), int64(2))
		})
	}
}
