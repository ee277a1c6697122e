package consensus

import (
	"context"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/stretchr/testify/require"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/pkg/phases"
	"github.com/quoratedb/quorate/pkg/tracing"
)

// slowSync is how long each sync of slowDisk takes.
const slowSync = 3 * phases.From

// slowDisk is a disk whose syncs take long.
func slowDisk() vfs.FS {
	return errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		switch op.Kind {
		case errorfs.OpFileSync, errorfs.OpFileSyncData, errorfs.OpFileSyncTo, errorfs.OpFileFlush:
			<-time.After(slowSync)
		}
		return nil
	}))
}

// Goal: who asks where the time of a slow write went is told, and a trace has its parts, one after the other, but for the sync, which is beside
// the replication. Method: a put, and a linearizable read, on a disk whose syncs take long.
func TestTimeOfAWriteIsAccountedFor(t *testing.T) {
	_, members := clusterWith(t, 3, func(c *Config) { c.FS = slowDisk() }, func(*running) {})
	leader := leaderOf(t, members)
	recorder := tracetest.NewSpanRecorder()
	tracing.Use(sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder)))
	defer tracing.Use(nil)
	ctx, span := tracing.Serve(phases.With(t.Context()), "put", func(string) string { return "" })
	began := time.Now()
	_, err := leader.Propose(ctx, &consensusv1.ProposeRequest{Command: put("k", "v")})
	took := time.Since(began)
	require.NoError(t, err)
	_, err = leader.ReadIndex(ctx, &consensusv1.ReadIndexRequest{})
	require.NoError(t, err)
	span.End()

	spent := *phases.Of(ctx)
	require.GreaterOrEqual(t, spent.Replicate, slowSync)
	require.Positive(t, spent.Apply)
	require.LessOrEqual(t, spent.Queue+spent.Replicate+spent.Apply, took)

	parts := map[string]sdktrace.ReadOnlySpan{}
	for _, s := range recorder.Ended() {
		parts[s.Name()] = s
	}
	for _, name := range []string{"queue", "replicate", "apply", "commit", "read index"} {
		require.Contains(t, parts, name)
		require.Equal(t, span.SpanContext().SpanID(), parts[name].Parent().SpanID())
	}
	for before, after := range map[string]string{"queue": "replicate", "replicate": "apply", "apply": "commit"} {
		require.Equal(t, parts[before].EndTime(), parts[after].StartTime(), after)
	}
	require.GreaterOrEqual(t, parts["replicate"].EndTime().Sub(parts["replicate"].StartTime()), slowSync)
	if sync := parts["sync"]; sync != nil { // others may have been quicker
		require.GreaterOrEqual(t, sync.EndTime().Sub(sync.StartTime()), slowSync)
		require.False(t, sync.StartTime().Before(parts["replicate"].StartTime()))
	}
}

// Goal: a write that runs out of time says how far it came. Method: a put at a member without a leader, which stays in line.
func TestWriteThatRunsOutOfTimeSaysHowFarItCame(t *testing.T) {
	net, members := cluster(t, 3)
	leader := leaderOf(t, members)
	net.isolate(leader.MemberID(), true)
	for id, changed := leader.Leader(); id != 0; id, changed = leader.Leader() {
		<-changed
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*phases.From)
	defer cancel()
	ctx = phases.With(ctx)
	_, err := leader.Propose(ctx, &consensusv1.ProposeRequest{Command: put("k", "v")})
	require.Error(t, err)
	require.GreaterOrEqual(t, phases.Of(ctx).Queue, phases.From)
	require.Zero(t, phases.Of(ctx).Replicate)
}
