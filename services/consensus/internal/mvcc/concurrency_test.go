package mvcc

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// Readers see whole revisions, and history as it was, while one writes, compacts and flushes: each revision sets all of a
// few keys to its own number, so that a reader can tell what it should see from the revision alone.
func TestReadersSeeWholeRevisions(t *testing.T) {
	const keys, revisions = 5, 1500
	s := openSmall(t, vfs.NewMem())
	stop := compactInBackground(t, s)
	written := make(chan struct{})
	var readers sync.WaitGroup
	reads := make([]int, 4)
	for i := range reads {
		readers.Go(func() {
			r := rand.New(rand.NewPCG(uint64(i), 5))
			for {
				select {
				case <-written:
					return
				default:
				}
				if readWhole(t, s, r) {
					reads[i]++
				}
			}
		})
	}
	for revision := range revisions {
		b := begin(s)
		txn := &consensusv1.TxnOp{}
		for k := range keys {
			op := &consensusv1.PutOp{Key: fmt.Appendf(nil, "k%d", k), Value: []byte(strconv.Itoa(revision + 2))}
			txn.Success = append(txn.Success, &consensusv1.Op{Op: &consensusv1.Op_Put{Put: op}})
		}
		_, _, err := b.Apply(&consensusv1.Command{Command: &consensusv1.Command_Txn{Txn: txn}})
		require.NoError(t, err)
		if revision%50 == 49 {
			_, _, err := b.Apply(compactCommand(int64(revision - 10)))
			require.NoError(t, err)
		}
		require.NoError(t, b.Commit())
		if revision%300 == 299 {
			require.NoError(t, s.Flush())
		}
	}
	close(written)
	readers.Wait()
	for i := range reads {
		require.Positive(t, reads[i], "reader %d read nothing", i)
	}
	require.NoError(t, s.WaitCompacted(context.Background()))
	stop()
	require.NoError(t, s.Close())
}

// readWhole reads one revision, and the history behind it, and tells whether there was something to compare.
func readWhole(t *testing.T, s *Store, r *rand.Rand) bool {
	head := s.Revision()
	op := &consensusv1.RangeOp{Key: []byte("k"), RangeEnd: []byte("l")}
	if r.IntN(2) == 0 {
		op.Revision = max(1, head-r.Int64N(30))
	}
	res, at, err := s.Range(context.Background(), op)
	if errors.Is(err, errdefs.ErrCompacted) {
		return false
	}
	if !noError(t, err) {
		return false
	}
	if op.GetRevision() > 0 {
		at = op.GetRevision()
	}
	for _, kv := range res.GetKvs() {
		if kv.GetModRevision() != at || string(kv.GetValue()) != strconv.FormatInt(at, 10) {
			t.Errorf("at revision %d: %s", at, kvText(kv))
		}
	}
	from := max(2, at-5)
	commits, through, err := s.History(t.Context(), from, at, nil, nil, 0)
	if errors.Is(err, errdefs.ErrCompacted) || !noError(t, err) {
		return false
	}
	if through != at || int64(len(commits)) != max(0, at-from+1) {
		t.Errorf("history from %d to %d: %d commits, through %d", from, at, len(commits), through)
	}
	for _, c := range commits {
		for _, e := range c.GetEvents() {
			if string(e.GetKv().GetValue()) != strconv.FormatInt(c.GetRevision(), 10) {
				t.Errorf("history of revision %d: %s", c.GetRevision(), kvText(e.GetKv()))
			}
		}
	}
	return len(res.GetKvs()) > 0
}

// noError is require.NoError for goroutines other than the test's own.
func noError(t *testing.T, err error) bool {
	if err != nil {
		t.Errorf("unexpected error: %v", err)
	}
	return err == nil
}

// A batch may be larger than a memtable, and values as large as requests are: they come back whole after a restart.
func TestBatchLargerThanMemTable(t *testing.T) {
	fs := vfs.NewMem()
	s := openSmall(t, fs)
	value := make([]byte, 1500<<10)
	for i := range value {
		value[i] = byte(i * i)
	}
	applyAll(t, s, 1, putCommand("a", string(value)), putCommand("b", string(value)), deleteCommand("a", ""))
	require.NoError(t, s.Close())
	s = openSmall(t, fs)
	require.Equal(t, map[string]string{"b": string(value)}, keysAt(t, s, 0))
	require.Equal(t, map[string]string{"a": string(value), "b": string(value)}, keysAt(t, s, 3))
	require.NoError(t, s.Close())
}

// Metrics tell what the store did and holds, under etcd's names, and end with the store.
func TestMetrics(t *testing.T) {
	reg := prometheus.NewRegistry()
	s, err := Open(Config{Dir: "state", FS: vfs.NewMem(), Registerer: reg})
	require.NoError(t, err)
	applyAll(t, s, 1, putCommand("a", "1"), putCommand("a", "2"), deleteCommand("a", ""))
	require.NoError(t, s.Flush())
	families, err := reg.Gather()
	require.NoError(t, err)
	got := map[string]float64{}
	for _, f := range families {
		m := f.GetMetric()[0]
		got[f.GetName()] = m.GetCounter().GetValue() + m.GetGauge().GetValue()
	}
	require.InDelta(t, 2, got["etcd_mvcc_put_total"], 0)
	require.InDelta(t, 1, got["etcd_mvcc_delete_total"], 0)
	require.InDelta(t, 4, got["etcd_debugging_mvcc_current_revision"], 0)
	require.Positive(t, got["etcd_mvcc_db_total_size_in_bytes"])
	require.Positive(t, got["quorate_store_flushes_total"])
	require.Zero(t, got["quorate_store_unflushed_bytes"])
	disk, inUse := s.Size()
	require.Positive(t, inUse)
	require.LessOrEqual(t, inUse, disk)
	require.NoError(t, s.Close())
	families, err = reg.Gather()
	require.NoError(t, err)
	require.Empty(t, families)
}

// What a member keeps under a name is stored with the batch that set it, and found after a restart and in snapshots.
func TestMeta(t *testing.T) {
	fs := vfs.NewMem()
	s := openSmall(t, fs)
	b := begin(s)
	b.SetMeta("members", []byte("one"))
	b.SetMeta("empty", nil)
	require.NoError(t, b.Commit())
	b = begin(s)
	b.SetMeta("members", []byte("two"))
	require.NoError(t, b.Close())
	require.NoError(t, s.Close())
	s = openSmall(t, fs)
	sn, err := s.Snapshot(context.Background())
	require.NoError(t, err)
	for _, meta := range []func(string) ([]byte, error){s.Meta, sn.Meta} {
		v, err := meta("members")
		require.NoError(t, err)
		require.Equal(t, "one", string(v), "a batch that was given up has no effect")
		v, err = meta("none")
		require.NoError(t, err)
		require.Nil(t, v)
		v, err = meta("empty")
		require.NoError(t, err)
		require.Equal(t, []byte{}, v)
	}
	require.NoError(t, sn.Close())
	require.NoError(t, s.Close())
}
