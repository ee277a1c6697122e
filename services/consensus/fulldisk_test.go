package consensus

import (
	"math/rand/v2"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/stretchr/testify/require"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// A member on a full disk refuses writes and ends with an error that says so; once there is room it serves everything
// that it acknowledged. Writes fail at will by way of an error-injecting filesystem.
func TestFullDiskEndsTheMemberAndLosesNothing(t *testing.T) {
	var full atomic.Bool
	disk := vfs.NewCrashableMem()
	cfg := testConfig(errorfs.Wrap(disk, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if full.Load() && op.Kind.ReadOrWrite() == errorfs.OpIsWrite {
			return syscall.ENOSPC
		}
		return nil
	})))
	m := start(t, cfg)
	m.mustPut(t, "key", "acknowledged")
	full.Store(true)
	_, err := m.Propose(t.Context(), &consensusv1.ProposeRequest{Command: put("key", "refused")})
	require.Error(t, err)
	<-m.ended
	require.ErrorIs(t, m.err, syscall.ENOSPC)
	full.Store(false) // the engine tries again for as long as the process lives

	// The process would end here; what it wrote stays.
	again := start(t, testConfig(disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 100, RNG: rand.New(rand.NewPCG(1, 1))})))
	require.Equal(t, "acknowledged", again.get(t, "key"))
	require.Equal(t, int64(3), again.mustPut(t, "key", "and on"))
}
