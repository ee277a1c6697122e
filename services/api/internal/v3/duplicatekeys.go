package v3

import (
	"cmp"
	"slices"
	"sort"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
)

// A transaction may not put a key twice, nor put a key that it deletes: all its writes share one revision. The rule as
// etcd has it, which clients depend on in both directions:
//
//   - Within one list of operations, no put may meet another put or a deletion, wherever in the list they stand.
//   - A nested transaction counts with the writes of both its branches. A key may be put by both branches of the same
//     nested transaction, since only one of them runs.
//   - Nested transactions are taken in order, each against the deletions of its own list and of the nested ones before
//     it. So deleting a key and then putting it, in two nested transactions, is refused; the other way round is not.
//   - A range that is empty, because its end is not after its begin, deletes nothing. An end of one zero byte, which
//     elsewhere means every key from the begin on, counts as such an empty range here.
//
// The outer comparison's branches are independent of each other.

// checkOverlaps refuses a transaction that breaks the rule. Its cost is O(n log n), and for what has deletions above it that
// again for each level with one: the limit on operations allows more than a hundred levels. checkTxn must have passed.
func checkOverlaps(r *etcdserverpb.TxnRequest) error {
	for _, branch := range [...][]*etcdserverpb.RequestOp{r.GetSuccess(), r.GetFailure()} {
		// Most transactions write at most one key in a branch and nest nothing.
		if len(branch) < 2 && (len(branch) == 0 || branch[0].GetRequestTxn() == nil) {
			continue
		}
		if _, err := collectWrites(branch); err != nil {
			return err
		}
	}
	return nil
}

// writes is what a list of operations may write.
type writes struct {
	puts    map[string]struct{}
	deleted intervals
}

func (w *writes) put(key string) error {
	if _, twice := w.puts[key]; twice || w.deleted.contain(key) {
		return rpctypes.ErrGRPCDuplicateKey
	}
	w.puts[key] = struct{}{}
	return nil
}

func collectWrites(ops []*etcdserverpb.RequestOp) (*writes, error) {
	all := &writes{puts: make(map[string]struct{})}
	for _, op := range ops {
		if r := op.GetRequestDeleteRange(); r != nil {
			all.deleted = append(all.deleted, deletedInterval(r))
		}
	}
	all.deleted = all.deleted.normal()
	for _, op := range ops {
		if r := op.GetRequestTxn(); r != nil {
			if err := all.addNested(r); err != nil {
				return nil, err
			}
		}
	}
	for _, op := range ops {
		if r := op.GetRequestPut(); r != nil {
			if err := all.put(string(r.GetKey())); err != nil {
				return nil, err
			}
		}
	}
	return all, nil
}

func (w *writes) addNested(r *etcdserverpb.TxnRequest) error {
	success, err := collectWrites(r.GetSuccess())
	if err != nil {
		return err
	}
	failure, err := collectWrites(r.GetFailure())
	if err != nil {
		return err
	}
	nested := joined(success.puts, failure.puts) // a key may be in both
	for key := range nested {
		if len(w.deleted) == 0 {
			break
		}
		if w.deleted.contain(key) {
			return rpctypes.ErrGRPCDuplicateKey
		}
	}
	if meet(w.puts, nested) {
		return rpctypes.ErrGRPCDuplicateKey
	}
	w.puts = joined(w.puts, nested)
	w.deleted = w.deleted.union(success.deleted).union(failure.deleted)
	return nil
}

// meet tells whether a key is in both. It looks at the keys of the smaller, so that what is nested deep is not looked at
// again on every level above.
func meet(a, b map[string]struct{}) bool {
	if len(a) > len(b) {
		a, b = b, a
	}
	for key := range a {
		if _, both := b[key]; both {
			return true
		}
	}
	return false
}

// joined returns the keys of both, which are not to be used any more. It costs what the smaller holds.
func joined(a, b map[string]struct{}) map[string]struct{} {
	if len(a) > len(b) {
		a, b = b, a
	}
	for key := range a {
		b[key] = struct{}{}
	}
	return b
}

// interval is the keys in [begin, end).
type interval struct {
	begin, end string
}

func deletedInterval(r *etcdserverpb.DeleteRangeRequest) interval {
	begin := string(r.GetKey())
	if len(r.GetRangeEnd()) == 0 {
		return interval{begin, begin + "\x00"} // the key alone: nothing sorts between the two
	}
	return interval{begin, string(r.GetRangeEnd())}
}

// intervals are normal when they are sorted, disjoint and not empty.
type intervals []interval

// normal returns intervals over the same keys that are normal. It may reuse the slice.
func (s intervals) normal() intervals {
	slices.SortFunc(s, func(a, b interval) int { return cmp.Compare(a.begin, b.begin) })
	kept := s[:0]
	for _, next := range s {
		kept = kept.add(next)
	}
	return kept
}

// union returns the normal intervals over the keys of both, which are normal, in linear time: a transaction may nest
// many lists with many deletions each.
func (s intervals) union(t intervals) intervals {
	if len(t) == 0 {
		return s
	}
	if len(s) == 0 {
		return t
	}
	both := make(intervals, 0, len(s)+len(t))
	for len(s) > 0 && len(t) > 0 {
		if s[0].begin <= t[0].begin {
			both, s = both.add(s[0]), s[1:]
		} else {
			both, t = both.add(t[0]), t[1:]
		}
	}
	for _, next := range slices.Concat(s, t) {
		both = both.add(next)
	}
	return both
}

// add returns normal intervals that also cover next, which does not begin before the last of them.
func (s intervals) add(next interval) intervals {
	if next.end <= next.begin {
		return s
	}
	if last := len(s) - 1; last >= 0 && next.begin <= s[last].end {
		s[last].end = max(s[last].end, next.end)
		return s
	}
	return append(s, next)
}

// contain tells whether a key lies in normal intervals.
func (s intervals) contain(key string) bool {
	// The only candidate is the last interval that does not begin after the key.
	i := sort.Search(len(s), func(i int) bool { return s[i].begin > key })
	return i > 0 && key < s[i-1].end
}
