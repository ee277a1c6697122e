package consensus

import (
	"encoding/binary"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// BenchmarkPut shows what a put costs below the wire, on the machine's disk, with 1, 100 and 1000 callers:
//
//	go test -run '^$' -bench Put -benchtime 20000x -cpuprofile put.prof .
func BenchmarkPut(b *testing.B) {
	for _, callers := range []int{1, 100, 1000} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			m := benchMember(b)
			value := make([]byte, 256)
			var next atomic.Uint64
			b.ReportAllocs()
			b.ResetTimer()
			var callersDone sync.WaitGroup
			for range callers {
				callersDone.Go(func() {
					for n := next.Add(1); n <= uint64(b.N); n = next.Add(1) {
						command := &consensusv1.Command{Command: &consensusv1.Command_Put{Put: &consensusv1.PutOp{
							Key: binary.BigEndian.AppendUint64(nil, n), Value: value,
						}}}
						if _, err := m.Propose(b.Context(), &consensusv1.ProposeRequest{Command: command}); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			callersDone.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "put/s")
		})
	}
}

// BenchmarkGet shows what a linearizable read of one key costs below the wire.
func BenchmarkGet(b *testing.B) {
	m := benchMember(b)
	for i := range 1000 {
		_, err := m.Propose(b.Context(), &consensusv1.ProposeRequest{Command: put(fmt.Sprintf("key%03d", i), "value")})
		require.NoError(b, err)
	}
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		req := &consensusv1.RangeRequest{Range: &consensusv1.RangeOp{Key: []byte("key500")}}
		for pb.Next() {
			if _, err := m.Range(b.Context(), req); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

func benchMember(b *testing.B) *Member {
	cfg := testConfig(vfs.Default)
	cfg.DataDir = b.TempDir()
	cfg.HeartbeatInterval = 100 * time.Millisecond
	cfg.MemTableBytes = 0
	return start(b, cfg).Member
}
