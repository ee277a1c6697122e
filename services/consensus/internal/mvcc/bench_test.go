package mvcc

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	quoratev1 "github.com/quoratedb/quorate/pkg/gen/quorate/v1"
)

// The store's own cost, without Raft and wires, on a real disk. Run them with
//
//	go test -run - -bench . -benchmem ./services/consensus/internal/mvcc
//
// and read ns/op as the time of one command or one read, cpu-ns/op as what it and the flushes behind it took of all
// processors, which says more on a machine that is shared.

func openBench(b *testing.B) *Store {
	b.Helper()
	s, err := Open(Config{Dir: b.TempDir()})
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, s.Close()) })
	return s
}

// measure resets the timer, and reports the CPU time of the rest of the benchmark.
func measure(b *testing.B) {
	b.Helper()
	b.ReportAllocs()
	begun := cpuTime()
	b.Cleanup(func() { b.ReportMetric(float64(cpuTime()-begun)/float64(b.N), "cpu-ns/op") })
	b.ResetTimer()
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// fill puts n keys of valueBytes each, in batches.
func fill(b *testing.B, s *Store, n, valueBytes int) {
	b.Helper()
	value := make([]byte, valueBytes)
	for i := 0; i < n; {
		batch := begin(s)
		for range min(1000, n-i) {
			rand.NewChaCha8([32]byte{byte(i), byte(i >> 8), byte(i >> 16)}).Read(value[:len(value)/2])
			_, _, err := batch.Apply(putCommand(fmt.Sprintf("/registry/pods/%08d", i), string(value)))
			require.NoError(b, err)
			i++
		}
		require.NoError(b, batch.Commit())
	}
}

// BenchmarkPut puts 256 bytes to random ones of the given number of keys, 100 to a batch.
func BenchmarkPut(b *testing.B) {
	for _, keys := range []int{1000, 1_000_000} {
		b.Run(fmt.Sprintf("keys=%d", keys), func(b *testing.B) {
			s := openBench(b)
			if keys > 1000 {
				fill(b, s, keys, 256)
			}
			value := make([]byte, 256)
			commands := make([]*consensusv1.Command, 4096)
			for i := range commands {
				commands[i] = putCommand(fmt.Sprintf("/registry/pods/%08d", rand.IntN(keys)), string(value))
			}
			m := NewMachine(s)
			measure(b)
			for i := 0; i < b.N; {
				batch := m.Begin()
				for range 100 {
					if _, _, err := batch.Apply(commands[i%len(commands)]); err != nil {
						b.Fatal(err)
					}
					i++
				}
				if err := batch.Commit(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkPutAlone puts 256 bytes, one to a batch: what one client sees.
func BenchmarkPutAlone(b *testing.B) {
	s := openBench(b)
	c := putCommand("/registry/pods/1", string(make([]byte, 256)))
	m := NewMachine(s)
	measure(b)
	for b.Loop() {
		batch := m.Begin()
		if _, _, err := batch.Apply(c); err != nil {
			b.Fatal(err)
		}
		if err := batch.Commit(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkRangeKey reads single keys out of a million.
func BenchmarkRangeKey(b *testing.B) {
	s := openBench(b)
	fill(b, s, 1_000_000, 256)
	ctx := context.Background()
	measure(b)
	for b.Loop() {
		op := &consensusv1.RangeOp{Key: fmt.Appendf(nil, "/registry/pods/%08d", rand.IntN(1_000_000))}
		if _, _, err := s.Range(ctx, op); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkRange reads all of so many keys of 1 KB.
func BenchmarkRange(b *testing.B) {
	for _, rows := range []int{1, 100, 10_000} {
		b.Run(fmt.Sprintf("rows=%d", rows), func(b *testing.B) {
			s := openBench(b)
			fill(b, s, rows, 1000)
			require.NoError(b, s.Flush())
			ctx := context.Background()
			op := &consensusv1.RangeOp{Key: []byte{0}, RangeEnd: []byte{0}}
			measure(b)
			for b.Loop() {
				if _, _, err := s.Range(ctx, op); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkCount counts in a million keys, and reads pages of 500 with the count of what is behind them.
func BenchmarkCount(b *testing.B) {
	s := openBench(b)
	fill(b, s, 1_000_000, 64)
	old := s.Revision()
	fill(b, s, 2000, 64)
	ctx := context.Background()
	for name, op := range map[string]*consensusv1.RangeOp{
		"all":      {Key: []byte{0}, RangeEnd: []byte{0}, CountOnly: true},
		"prefix":   {Key: []byte("/registry/pods/00111222"), RangeEnd: []byte("/registry/pods/00999222"), CountOnly: true},
		"old":      {Key: []byte("/registry/pods/00111222"), RangeEnd: []byte("/registry/pods/00999222"), CountOnly: true, Revision: old},
		"page":     {Key: []byte("/registry/pods/00111222"), RangeEnd: []byte("/registry/pods/00999222"), Limit: 500},
		"last-key": {Key: []byte{0}, RangeEnd: []byte{0}, Limit: 1, SortOrder: consensusv1.RangeOp_SORT_ORDER_DESCEND},
	} {
		b.Run(name, func(b *testing.B) {
			measure(b)
			for b.Loop() {
				if _, _, err := s.Range(ctx, op); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkChildren folds a million keys: a level that has all of them below one child, one of a thousand children with how many keys each has,
// and a page of one child's thousand keys.
func BenchmarkChildren(b *testing.B) {
	s := openBench(b)
	for folder := range 1000 {
		batch := begin(s)
		for i := range 1000 {
			if _, _, err := batch.Apply(putCommand(fmt.Sprintf("/tree/%03d/%06d", folder, i), "a value of some bytes")); err != nil {
				b.Fatal(err)
			}
		}
		if err := batch.Commit(); err != nil {
			b.Fatal(err)
		}
	}
	for name, prefix := range map[string]string{"one": "/", "thousand": "/tree/", "keys": "/tree/500/"} {
		b.Run(name, func(b *testing.B) {
			measure(b)
			for b.Loop() {
				req := &quoratev1.ChildrenRequest{Prefix: []byte(prefix), Delimiter: []byte("/"), Limit: 1000, Count: true}
				if _, err := Children(b.Context(), s, req); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkCreate puts new keys, 100 to a batch, in order and out of it: what the index of counts costs.
func BenchmarkCreate(b *testing.B) {
	for _, shuffle := range []uint64{1, 0x9e3779b97f4a7c15} {
		b.Run(fmt.Sprintf("shuffled=%t", shuffle != 1), func(b *testing.B) {
			s := openBench(b)
			value := string(make([]byte, 256))
			measure(b)
			for i := uint64(0); i < uint64(b.N); {
				batch := begin(s)
				for range 100 {
					if _, _, err := batch.Apply(putCommand(fmt.Sprintf("/registry/pods/%016x", i*shuffle), value)); err != nil {
						b.Fatal(err)
					}
					i++
				}
				if err := batch.Commit(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkOpen opens a store of a million keys, up to the first answer.
func BenchmarkOpen(b *testing.B) {
	dir := b.TempDir()
	s, err := Open(Config{Dir: dir})
	require.NoError(b, err)
	fill(b, s, 1_000_000, 64)
	require.NoError(b, s.Close())
	measure(b)
	for b.Loop() {
		s, err := Open(Config{Dir: dir})
		if err != nil {
			b.Fatal(err)
		}
		res, _, err := s.Range(context.Background(), &consensusv1.RangeOp{Key: []byte{0}, RangeEnd: []byte{0}, Limit: 1})
		if err != nil || res.GetCount() != 1_000_000 {
			b.Fatal(res.GetCount(), err)
		}
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkCompaction removes the old versions of a hundred thousand keys that were put twice; ns/op is for all of them.
func BenchmarkCompaction(b *testing.B) {
	s := openBench(b)
	fill(b, s, 100_000, 256)
	for b.Loop() {
		b.StopTimer()
		fill(b, s, 100_000, 256)
		batch := begin(s)
		_, _, err := batch.Apply(compactCommand(s.Revision()))
		require.NoError(b, err)
		require.NoError(b, batch.Commit())
		b.StartTimer()
		for s.compaction.progress.finished < s.CompactedRevision() {
			require.NoError(b, compactChunk(s, context.Background(), compactionChunkChanges))
		}
	}
}

// BenchmarkDigest counts a put to a key that exists, key and both values of 256 bytes: what the digest adds to one.
func BenchmarkDigest(b *testing.B) {
	var d digest
	key, old, value := []byte("/registry/pods/00000001"), make([]byte, 256), make([]byte, 256)
	prev, r := Row{Key: key, Revision: 1}, Row{Key: key, Revision: 2}
	prev.Value, r.Value = old, value
	b.ReportAllocs()
	for b.Loop() {
		d.changeVersion(&prev, &r)
	}
	if d.sum == 0 {
		b.Fatal("nothing was counted")
	}
}

// BenchmarkVerify reads a state of 100,000 keys of 256 bytes, partly from disk.
func BenchmarkVerify(b *testing.B) {
	s := openBench(b)
	fill(b, s, 100_000, 256)
	measure(b)
	for b.Loop() {
		if err := s.Verify(b.Context(), atOnce); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkPutsAndScansInOneBatch puts keys in no order, each before a range deletion of nothing, in batches of ten thousand, which
// is what a replay makes of such a log: ns/op is for one of both, however many are in the batch.
func BenchmarkPutsAndScansInOneBatch(b *testing.B) {
	s := openBench(b)
	measure(b)
	for i := 0; i < b.N; {
		batch := begin(s)
		for range min(10_000, b.N-i) {
			_, _, err := batch.Apply(putCommand(fmt.Sprintf("k%012d", uint32(i)*2654435761), "v"))
			require.NoError(b, err)
			_, _, err = batch.Apply(&consensusv1.Command{Command: &consensusv1.Command_DeleteRange{
				DeleteRange: &consensusv1.DeleteRangeOp{Key: []byte("x/"), RangeEnd: []byte("x0")},
			}})
			require.NoError(b, err)
			i++
		}
		require.NoError(b, batch.Commit())
	}
}

// BenchmarkDeleteOfManyKeys deletes 300,000 keys of 100 bytes with one command, which is carried out as a whole while all
// other writes wait. The time of filling the store is not in it.
func BenchmarkDeleteOfManyKeys(b *testing.B) {
	b.ReportAllocs()
	for range b.N {
		b.StopTimer()
		s := openBench(b)
		fill(b, s, 300_000, 100)
		require.NoError(b, s.Flush())
		b.StartTimer()
		batch := begin(s)
		_, _, err := batch.Apply(deleteCommand("/registry/", "/registry0"))
		require.NoError(b, err)
		batch.SetApplied(1, 1)
		require.NoError(b, batch.Commit())
	}
}

// BenchmarkLeases grants leases of random ids, attaches a new key to each, and has all of them expire at once, 500 to a command: ns/op and
// cpu-ns/op are for one lease from its grant to its end, the others for either part of it.
func BenchmarkLeases(b *testing.B) {
	const perBatch, perRevoke = 100, 500
	s := openBench(b)
	m := NewMachine(s)
	ids := make([]int64, max(b.N, perRevoke))
	for i := range ids {
		ids[i] = rand.Int64()
	}
	measure(b)
	begun := cpuTime()
	for part := range slices.Chunk(ids, perBatch) {
		batch := m.Begin()
		for _, id := range part {
			_, _, err := batch.Apply(grantCommand(id))
			require.NoError(b, err)
			_, _, err = batch.Apply(leasedCommand(fmt.Sprintf("leased/%016x", id), id))
			require.NoError(b, err)
		}
		require.NoError(b, batch.Commit())
	}
	granted := cpuTime()
	rand.Shuffle(len(ids), func(i, j int) { ids[i], ids[j] = ids[j], ids[i] })
	for part := range slices.Chunk(ids, perRevoke) {
		batch := m.Begin()
		_, _, err := batch.Apply(&consensusv1.Command{Command: &consensusv1.Command_LeaseRevoke{LeaseRevoke: &consensusv1.LeaseRevokeOp{Ids: part}}})
		require.NoError(b, err)
		require.NoError(b, batch.Commit())
	}
	b.ReportMetric(float64(granted-begun)/float64(len(ids)), "grant-cpu-ns")
	b.ReportMetric(float64(cpuTime()-granted)/float64(len(ids)), "expiry-cpu-ns")
}
