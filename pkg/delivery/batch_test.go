package delivery

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"google.golang.org/protobuf/proto"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

func eventAt(revision int64) *consensusv1.Event {
	return &consensusv1.Event{Kv: &mvccpb.KeyValue{Key: []byte("k"), ModRevision: revision, Value: make([]byte, 200)}}
}

// Goal: a batch that travelled is the batch that was made, whole and in parts. Method: three events of two revisions, one
// batch of them and one of its encoding.
func TestBatchTravels(t *testing.T) {
	made := NewBatch([]*consensusv1.Event{eventAt(4), eventAt(4), eventAt(6)})
	got, err := FromEncoded(made.Encoded(), made.First(), made.Last())
	require.NoError(t, err)
	for _, b := range []*Batch{made, got} {
		require.Equal(t, [3]int64{4, 6, 3}, [3]int64{b.First(), b.Last(), int64(b.Count())})
		require.Equal(t, made.Encoded(), b.Encoded())
		require.Len(t, b.Events(), 3)
		require.True(t, proto.Equal(eventAt(6), b.Events()[2]))
		require.Same(t, b, b.From(4))
		require.Len(t, b.From(5).Events(), 1)
		require.EqualValues(t, 6, b.From(5).First())
		require.Nil(t, b.From(7))
	}
}

// Goal: bytes that are no run of events are refused, whatever they are, and what is accepted can be asked for its events.
// Method: fuzzing from a valid encoding.
func FuzzFromEncoded(f *testing.F) {
	f.Add(NewBatch([]*consensusv1.Event{eventAt(1), eventAt(2)}).Encoded())
	f.Fuzz(func(t *testing.T, encoded []byte) {
		b, err := FromEncoded(encoded, 1, 1)
		if err != nil {
			require.ErrorIs(t, err, errMalformed)
			return
		}
		require.LessOrEqual(t, len(b.Events()), b.Count())
	})
}
