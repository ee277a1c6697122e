package lease

// Run with: go test -run '^$' -bench . -benchtime 1s ./services/lease
// They show what the service itself costs, on a store that costs nothing. A keep-alive may cost cache misses more when
// there are many leases (0.6 µs with a thousand, 3 µs with a hundred thousand on a busy machine).

import (
	"context"
	"fmt"
	"testing"

	leasev1 "github.com/quoratedb/quorate/pkg/gen/quorate/lease/v1"
)

func BenchmarkKeepAlive(b *testing.B) {
	for _, leases := range []int64{1_000, 100_000} {
		for _, batch := range []int{1, 100} {
			b.Run(fmt.Sprintf("leases=%d/batch=%d", leases, batch), func(b *testing.B) {
				s := benchService(b, leases)
				ids := make([]int64, batch)
				for n := int64(0); b.Loop(); n++ {
					for i := range ids {
						ids[i] = (n*int64(batch)+int64(i))%leases + 1
					}
					if _, err := s.KeepAlive(b.Context(), &leasev1.KeepAliveRequest{Ids: ids}); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*batch), "ns/lease")
			})
		}
	}
}

func benchService(b *testing.B, leases int64) *Service {
	b.Helper()
	f := newStore()
	for id := range leases {
		if _, err := f.apply(grantCommand(id+1, 3600)); err != nil {
			b.Fatal(err)
		}
	}
	s, err := New(Config{Consensus: f, Holder: "bench"})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan error)
	go func() { done <- s.Run(ctx) }()
	b.Cleanup(func() {
		cancel()
		<-done
	})
	if _, err := s.List(b.Context(), &leasev1.ListRequest{}); err != nil { // waits for the take-over
		b.Fatal(err)
	}
	return s
}
