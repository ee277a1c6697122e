package prefixquota_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/consensus/internal/mvcc"
	"github.com/quoratedb/quorate/services/consensus/internal/prefixquota"
	"github.com/quoratedb/quorate/services/consensus/internal/statemachine"
)

// world is a store with quotas, and what a reader of its commands would say is in it.
type world struct {
	t       *testing.T
	r       *rand.Rand
	store   *mvcc.Store
	machine *statemachine.Machine
	index   uint64
	keys    map[string]string
	limits  map[string]*consensusv1.QuotaLimits
	// counting are the quotas whose sum has not come.
	counting map[string]bool
	refused  int
}

func (w *world) count(keys map[string]string, prefix string) (n, size int64) {
	for k, v := range keys {
		if strings.HasPrefix(k, prefix) {
			n, size = n+1, size+int64(len(k)+len(v))
		}
	}
	return n, size
}

// mayBecome tells whether the quotas let the keys become others.
func (w *world) mayBecome(after map[string]string) bool {
	for prefix, l := range w.limits {
		if w.counting[prefix] {
			continue
		}
		keys, size := w.count(w.keys, prefix)
		thenKeys, thenSize := w.count(after, prefix)
		if thenKeys > keys && l.GetHardKeys() > 0 && thenKeys > l.GetHardKeys() || thenSize > size && l.GetHardBytes() > 0 && thenSize > l.GetHardBytes() {
			return false
		}
	}
	return true
}

func (w *world) key() string {
	key := []string{"a", "a/", "a/b/", "a/b/c", "b/", ""}[w.r.IntN(6)]
	return key + string(rune('a'+w.r.IntN(5)))
}

func (w *world) value() string { return strings.Repeat("v", w.r.IntN(12)) }

// op makes a random operation, nested a few levels, and carries it out on keys. Comparisons pick branches at random.
func (w *world) op(keys map[string]string, depth int) *consensusv1.Op {
	switch n := w.r.IntN(8); {
	case n < 4:
		key, value := w.key(), w.value()
		put := &consensusv1.PutOp{Key: []byte(key), Value: []byte(value)}
		keys[key] = value
		return &consensusv1.Op{Op: &consensusv1.Op_Put{Put: put}}
	case n < 7 || depth == 0:
		low := w.key()
		high := low + "z"
		maps.DeleteFunc(keys, func(k, _ string) bool { return k >= low && k < high })
		return &consensusv1.Op{Op: &consensusv1.Op_DeleteRange{DeleteRange: &consensusv1.DeleteRangeOp{Key: []byte(low), RangeEnd: []byte(high)}}}
	}
	return &consensusv1.Op{Op: &consensusv1.Op_Txn{Txn: w.txn(keys, depth-1)}}
}

func (w *world) txn(keys map[string]string, depth int) *consensusv1.TxnOp {
	taken, other := []*consensusv1.Op{}, []*consensusv1.Op{}
	for range w.r.IntN(5) {
		taken = append(taken, w.op(keys, depth))
		other = append(other, w.op(map[string]string{}, 0))
	}
	// The key does not exist, so its version is 0.
	compare := &consensusv1.Compare{Key: []byte("nothing"), Relation: consensusv1.Compare_RELATION_EQUAL, Target: &consensusv1.Compare_Version{}}
	if w.r.IntN(2) == 0 {
		return &consensusv1.TxnOp{Compare: []*consensusv1.Compare{compare}, Success: taken, Failure: other}
	}
	compare.Relation = consensusv1.Compare_RELATION_NOT_EQUAL
	return &consensusv1.TxnOp{Compare: []*consensusv1.Compare{compare}, Success: other, Failure: taken}
}

func quotaCommand(op *consensusv1.QuotaOp) *consensusv1.Command {
	return &consensusv1.Command{Command: &consensusv1.Command_Quota{Quota: op}}
}

// change makes a command that changes keys, and says what it makes of them.
func (w *world) change() (command *consensusv1.Command, after map[string]string) {
	after = maps.Clone(w.keys)
	switch n := w.r.IntN(10); {
	case n < 4:
		key, value := w.key(), w.value()
		after[key] = value
		return &consensusv1.Command{Command: &consensusv1.Command_Put{Put: &consensusv1.PutOp{Key: []byte(key), Value: []byte(value)}}}, after
	case n < 5:
		key := w.key()
		if _, ok := after[key]; ok {
			return &consensusv1.Command{Command: &consensusv1.Command_Put{Put: &consensusv1.PutOp{Key: []byte(key), IgnoreValue: true}}}, after
		}
		fallthrough
	case n < 6:
		path, value := fmt.Sprintf("/t%d", w.r.IntN(4)), w.value()
		after[path] = value
		return &consensusv1.Command{Command: &consensusv1.Command_Tree{Tree: &consensusv1.TreeOp{
			Action: consensusv1.TreeAction_TREE_ACTION_SET, Path: []byte(path), Value: []byte(value),
		}}}, after
	case n < 7:
		low := w.key()
		maps.DeleteFunc(after, func(k, _ string) bool { return k >= low })
		return &consensusv1.Command{Command: &consensusv1.Command_DeleteRange{DeleteRange: &consensusv1.DeleteRangeOp{
			Key: []byte(low), RangeEnd: []byte{0},
		}}}, after
	}
	return &consensusv1.Command{Command: &consensusv1.Command_Txn{Txn: w.txn(after, 2)}}, after
}

// apply applies a command to a batch, and checks that it is refused where the model says so.
func (w *world) apply(b *statemachine.Batch) {
	prefix := []string{"", "a", "a/", "a/b/", "b/", "/t", "nothing"}[w.r.IntN(7)]
	switch n := w.r.IntN(20); {
	case n == 0:
		limits := &consensusv1.QuotaLimits{HardKeys: int64(w.r.IntN(12)), HardBytes: int64(w.r.IntN(80))}
		_, _, err := b.Apply(quotaCommand(&consensusv1.QuotaOp{Op: &consensusv1.QuotaOp_Set{Set: &consensusv1.QuotaSetOp{Prefix: []byte(prefix), Limits: limits}}}))
		require.NoError(w.t, err)
		if w.limits[prefix] == nil {
			w.counting[prefix] = true
		}
		w.limits[prefix] = limits
	case n == 1 && w.r.IntN(4) == 0:
		_, _, err := b.Apply(quotaCommand(&consensusv1.QuotaOp{Op: &consensusv1.QuotaOp_Delete{Delete: &consensusv1.QuotaDeleteOp{Prefix: []byte(prefix)}}}))
		if w.limits[prefix] == nil {
			require.ErrorIs(w.t, err, errdefs.ErrQuotaNotFound)
		} else {
			require.NoError(w.t, err)
		}
		delete(w.limits, prefix)
		delete(w.counting, prefix)
	default:
		command, after := w.change()
		_, _, err := b.Apply(command)
		if !w.mayBecome(after) {
			if _, deletion := command.GetCommand().(*consensusv1.Command_DeleteRange); deletion {
				w.t.Fatal("the model refuses a deletion")
			}
			w.refused++
			require.ErrorIs(w.t, err, errdefs.ErrQuotaExceeded, "%v", command)
			return
		}
		require.NoError(w.t, err, "%v", command)
		w.keys = after
	}
}

// sums are what somebody counts of the quotas that need it.
func (w *world) sums() (sums []*consensusv1.Command) {
	state, err := w.machine.Quotas()
	require.NoError(w.t, err)
	for _, q := range state.Counting() {
		keys, size, record, err := mvcc.SumPrefix(context.Background(), w.store, q.GetPrefix(), prefixquota.UseRecord(q.GetPrefix()),
			func(context.Context, int) error { return nil })
		require.NoError(w.t, err)
		before, err := prefixquota.Before(prefixquota.Use{Keys: keys, Bytes: size}, record)
		require.NoError(w.t, err)
		sums = append(sums, quotaCommand(&consensusv1.QuotaOp{Op: &consensusv1.QuotaOp_Sum{Sum: &consensusv1.QuotaSumOp{
			Prefix: q.GetPrefix(), Revision: q.GetRevision(), Use: &consensusv1.QuotaUse{Keys: before.Keys, Bytes: before.Bytes},
		}}}))
	}
	return sums
}

// check compares what is told of quotas with a count from scratch.
func (w *world) check() {
	state, err := w.machine.Quotas()
	require.NoError(w.t, err)
	all := state.All()
	require.Len(w.t, all, len(w.limits))
	for _, q := range all {
		prefix := string(q.GetQuota().GetPrefix())
		require.Equal(w.t, w.counting[prefix], q.GetQuota().GetCounting())
		if w.counting[prefix] {
			continue
		}
		keys, size := w.count(w.keys, prefix)
		require.Equal(w.t, []int64{keys, size}, []int64{q.GetUse().GetKeys(), q.GetUse().GetBytes()}, "in use of %q", prefix)
	}
}

// round applies some entries as one batch. A sum that was counted before may come among them, late, or twice.
func (w *world) round(late []*consensusv1.Command) {
	b := w.machine.Begin()
	for range 1 + w.r.IntN(3) {
		for range 1 + w.r.IntN(6) {
			w.apply(b)
		}
		for _, sum := range late {
			if w.r.IntN(2) == 0 {
				continue
			}
			res, _, err := b.Apply(sum)
			require.NoError(w.t, err)
			if res.GetQuota().GetQuota() != nil {
				delete(w.counting, string(sum.GetQuota().GetSum().GetPrefix()))
			}
		}
		w.index++
		b.SetApplied(w.index, 1)
	}
	require.NoError(w.t, b.Commit())
}

// Goal: what is in use of a quota is what a count from scratch finds, whatever happens between its command and the sum; commands are
// refused where their net effect would lead beyond, and only there, and change nothing then; and all of it is state. Method: seeded
// random commands on a store and on a map, with sums that come late, twice or for what is gone, and with state machines that begin anew on
// the same store.
func TestUseIsWhatACountFinds(t *testing.T) {
	for seed := range uint64(12) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			store, err := mvcc.Open(mvcc.Config{Dir: "state", FS: vfs.NewMem()})
			require.NoError(t, err)
			defer func() { require.NoError(t, store.Close()) }()
			w := &world{
				t: t, r: rand.New(rand.NewPCG(seed, 1)), store: store, machine: statemachine.New(store), keys: map[string]string{},
				limits: map[string]*consensusv1.QuotaLimits{}, counting: map[string]bool{},
			}
			var sums []*consensusv1.Command
			for range 60 {
				w.round(sums)
				w.check()
				if w.r.IntN(3) == 0 {
					sums = w.sums()
				}
				if w.r.IntN(10) == 0 {
					w.machine = statemachine.New(store)
					w.check()
				}
			}
			require.Positive(t, w.refused, "nothing was ever refused")
			require.NoError(t, store.Verify(context.Background(), func(context.Context, int) error { return nil }), "records and digest")
		})
	}
}

// Goal: the longest prefix of a key and all shorter ones are found, among a thousand, and no others. Method: seeded random prefixes of two
// letters; tallies of random keys, each compared with a walk over all.
func TestEveryPrefixOfAKeyIsFound(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 7))
	word := func() string {
		b := make([]byte, r.IntN(12))
		for i := range b {
			b[i] = "ab"[r.IntN(2)]
		}
		return string(b)
	}
	rows := make(records)
	ledger := prefixquota.NewLedger(prefixquota.Empty())
	set := func(prefix string) error {
		_, err := ledger.Apply(rows, &consensusv1.QuotaOp{Op: &consensusv1.QuotaOp_Set{Set: &consensusv1.QuotaSetOp{
			Prefix: []byte(prefix), Limits: &consensusv1.QuotaLimits{HardKeys: 1 << 40},
		}}}, 1)
		return err
	}
	uses := make(map[string]int64)
	for len(uses) < 1000 {
		prefix := word()
		require.NoError(t, set(prefix))
		uses[prefix] = 0
	}
	require.ErrorIs(t, set("one more"), errdefs.ErrTooManyQuotas)
	require.NoError(t, set(slices.Collect(maps.Keys(uses))[0]), "another limit is no other quota")
	for range 5000 {
		key := word()
		ledger.Changed([]byte(key), prefixquota.Use{Keys: 1})
		for prefix := range uses {
			if strings.HasPrefix(key, prefix) {
				uses[prefix]++
			}
		}
	}
	ledger.Settle(rows)
	state, err := prefixquota.Load(func(fn func(string, []byte) error) error {
		for _, name := range slices.Sorted(maps.Keys(rows)) {
			if err := fn(name, rows[name]); err != nil {
				return err
			}
		}
		return nil
	})
	require.NoError(t, err)
	require.Len(t, state.Counting(), 1000)
	for prefix, keys := range uses {
		before, err := prefixquota.Before(prefixquota.Use{Keys: keys}, rows[prefixquota.UseRecord([]byte(prefix))])
		require.NoError(t, err)
		require.Zero(t, before, "%q", prefix)
	}
}

// records are Rows that check what they are told was there.
type records map[string][]byte

var errOther = errors.New("another value was stored")

func (r records) SetRecord(name string, old, value []byte) {
	if string(r[name]) != string(old) {
		panic(fmt.Errorf("%s: %w", name, errOther))
	}
	r[name] = value
}

func (r records) DropRecord(name string, old []byte) {
	r.SetRecord(name, old, nil)
	delete(r, name)
}
