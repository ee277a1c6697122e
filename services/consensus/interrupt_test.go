package consensus

import (
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"
)

// A member that is told to stop while it reads its files does so, whatever it has read by then, and leaves its data as it was
// (it was obeyed only once all was read). Until it is open, its metrics say that it has no leader.
func TestStopWhileTheStoresOpenIsObeyed(t *testing.T) {
	disk := vfs.NewCrashableMem()
	m := start(t, testConfig(disk))
	for range 4 {
		m.mustPut(t, "key", strings.Repeat("v", 1<<20))
	}
	require.NoError(t, m.halt())
	for _, during := range []string{".log", "MANIFEST", "/state/", ".sst"} {
		t.Run(during, func(t *testing.T) {
			interrupt := make(chan struct{})
			metrics := prometheus.NewRegistry()
			var asked atomic.Bool
			cfg := testConfig(errorfs.Wrap(disk, errorfs.InjectorFunc(func(op errorfs.Op) error {
				reads := op.Kind == errorfs.OpFileRead || op.Kind == errorfs.OpFileReadAt
				if reads && strings.Contains(op.Path, during) && asked.CompareAndSwap(false, true) {
					require.NoError(t, testutil.GatherAndCompare(metrics, strings.NewReader(noLeader), "etcd_server_has_leader"))
					close(interrupt)
				}
				return nil
			})))
			cfg.Interrupt, cfg.Registerer = interrupt, metrics
			var errorsLogged lineCount
			cfg.Logger = slog.New(slog.NewTextHandler(&errorsLogged, &slog.HandlerOptions{Level: slog.LevelError}))
			_, err := New(cfg)
			require.ErrorIs(t, err, ErrInterrupted)
			require.True(t, asked.Load())
			require.Zero(t, errorsLogged.Load(), "a stop is no failure of the disk")
			count, err := testutil.GatherAndCount(metrics)
			require.NoError(t, err)
			require.Zero(t, count, "metrics of a member that is not there")
		})
	}
	again := start(t, testConfig(disk))
	require.Len(t, again.get(t, "key"), 1<<20)
	require.NoError(t, again.halt())
}

const noLeader = `# HELP etcd_server_has_leader Whether or not a leader exists. 1 is existence, 0 is not.
# TYPE etcd_server_has_leader gauge
etcd_server_has_leader 0
`
