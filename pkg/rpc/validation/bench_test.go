package validation

import (
	"testing"

	"buf.build/go/protovalidate"
	"google.golang.org/protobuf/proto"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	leasev1 "github.com/quoratedb/quorate/pkg/gen/quorate/lease/v1"
)

// BenchmarkCheck shows what checking the commonest requests takes, and what the rules alone would take.
// Run: go test -bench Check ./rpc/validation
func BenchmarkCheck(b *testing.B) {
	for name, m := range map[string]proto.Message{
		"put": &consensusv1.ProposeRequest{Command: &consensusv1.Command{Command: &consensusv1.Command_Put{
			Put: &consensusv1.PutOp{Key: []byte("k"), Value: make([]byte, 256)},
		}}},
		"range":      &consensusv1.RangeRequest{Range: &consensusv1.RangeOp{Key: []byte("k")}},
		"keep-alive": &leasev1.KeepAliveRequest{Ids: make([]int64, 70)},
		"batch":      &consensusv1.BatchRequest{},
	} {
		for way, check := range map[string]func(proto.Message) error{
			"check": Check,
			"rules": func(m proto.Message) error { return protovalidate.Validate(m) },
		} {
			b.Run(name+"/"+way, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if err := check(m); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
