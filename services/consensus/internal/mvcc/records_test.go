package mvcc

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// Goal: records are kept, in order, over a restart and in snapshots, and are part of the digest: a state that is read whole agrees with
// the sum that was kept. Method: set, replace and drop some.
func TestRecordsAreKept(t *testing.T) {
	fs := vfs.NewMem()
	s := openMem(t, fs)
	b := s.Begin()
	b.SetRecord("b", nil, []byte("1"))
	b.SetRecord("a", nil, []byte("2"))
	b.SetRecord("gone", nil, []byte("3"))
	b.SetRecord("b", []byte("1"), []byte("4"))
	b.DropRecord("gone", []byte("3"))
	b.SetApplied(1, 1)
	require.NoError(t, b.Commit())
	require.NoError(t, s.Close())
	s = openMem(t, fs)
	defer s.Close()
	var found []string
	collect := func(name string, value []byte) error {
		found = append(found, name+"="+string(value))
		return nil
	}
	require.NoError(t, Records(s, collect))
	snapshot, err := s.Snapshot(t.Context())
	require.NoError(t, err)
	require.NoError(t, snapshot.Records(collect))
	require.NoError(t, snapshot.Close())
	require.Equal(t, []string{"a=2", "b=4", "a=2", "b=4"}, found)
	require.NoError(t, s.Verify(t.Context(), atOnce))
}

// Goal: whether keys of some stretches are attached to a lease is found out without reading them all, and right. Method: random
// attachments, some of them in a batch that is not committed, beside a list of them.
func TestAttachedIn(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	s := openMem(t, vfs.NewMem())
	defer s.Close()
	attached := map[string]int64{}
	key := func() string { return fmt.Sprintf("k%02d", r.IntN(30)) }
	step := func(b Commands, index uint64) {
		k, lease := key(), int64(r.IntN(3)) // 0 is none
		command := &consensusv1.Command{Command: &consensusv1.Command_Put{Put: &consensusv1.PutOp{Key: []byte(k), Lease: lease}}}
		attached[k] = lease
		if r.IntN(4) == 0 {
			command = &consensusv1.Command{Command: &consensusv1.Command_DeleteRange{DeleteRange: &consensusv1.DeleteRangeOp{Key: []byte(k)}}}
			delete(attached, k)
		}
		_, _, err := b.Apply(command)
		require.NoError(t, err)
		b.SetApplied(index, 1)
	}
	applyAll(t, s, 1, grantCommand(1), grantCommand(2))
	for round := range 300 {
		b := begin(s)
		for range r.IntN(5) {
			step(b, uint64(round+2))
		}
		low, high := key(), key()
		spans := []Span{Between([]byte(low), []byte(high)), Between([]byte("k25"), nil)}
		for lease := range int64(3) {
			want := false
			for k, of := range attached {
				want = want || of == lease && lease != 0 && (k >= low && k < high || k >= "k25")
			}
			if lease == 0 {
				continue
			}
			got, err := s.batch.AttachedIn(lease, spans)
			require.NoError(t, err)
			require.Equal(t, want, got, "in a batch")
		}
		require.NoError(t, b.Commit())
		for lease := int64(1); lease < 3; lease++ {
			want, any := false, false
			for k, of := range attached {
				in := k >= low && k < high || k >= "k25"
				want, any = want || of == lease && in, any || of != 0 && in
			}
			got, err := AttachedIn(t.Context(), s, lease, spans)
			require.NoError(t, err)
			require.Equal(t, want, got)
			got, err = AnyAttachedIn(t.Context(), s, spans)
			require.NoError(t, err)
			require.Equal(t, any, got)
		}
	}
}
