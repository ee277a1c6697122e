package statemachine

import (
	"context"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/consensus/internal/mvcc"
	"github.com/quoratedb/quorate/services/consensus/internal/prefixquota"
)

// changeQuotas changes quotas by prefix. They count from the next command on.
func changeQuotas(b *Batch, op *consensusv1.QuotaOp) (*consensusv1.Result, error) {
	_, revision := b.rows.Bounds()
	res, err := b.quotas.Apply(b.rows, op, revision)
	if err != nil {
		return nil, err
	}
	b.followChanges()
	return &consensusv1.Result{Result: &consensusv1.Result_Quota{Quota: res}}, nil
}

// followChanges has quotas told of changes of keys, where there are any.
func (b *Batch) followChanges() {
	if b.quotas == nil || b.quotas.None() {
		mvcc.Observe(b.rows, nil)
		return
	}
	mvcc.Observe(b.rows, func(key []byte, keys, bytes int64) {
		b.quotas.Changed(key, prefixquota.Use{Keys: keys, Bytes: bytes})
	})
}

func (b *Batch) settleQuotas() {
	if b.quotas != nil {
		b.quotas.Settle(b.rows)
	}
}

func (b *Batch) commitQuotas() {
	if b.quotas != nil {
		b.machine.quotas.Store(b.quotas.Commit())
	}
}

// ofPut is what a put changes for quotas. prev is the key's newest version, if it exists.
func ofPut(op *consensusv1.PutOp, prev *mvcc.Row, live bool) prefixquota.Use {
	if live && op.GetIgnoreValue() {
		return prefixquota.Use{}
	}
	return replacement(op.GetKey(), op.GetValue(), prev, live)
}

// replacement is what it changes that a key gets a value.
func replacement(key, value []byte, prev *mvcc.Row, live bool) prefixquota.Use {
	if live {
		return prefixquota.Use{Bytes: int64(len(value) - len(prev.Value))}
	}
	return prefixquota.Use{Keys: 1, Bytes: int64(len(key) + len(value))}
}

// checkQuotas refuses the path of a transaction whose net effect would lead beyond a quota. Deletions only make that less, and may be of
// very many keys: so the puts are looked at alone first, and the rest only where they are too much.
func checkQuotas(b *Batch, br *branch) error {
	if b.quotas.None() || !puts(br) {
		return nil
	}
	err := effectOf(b, br, false)
	if err == nil || !deletes(br) {
		return err
	}
	return effectOf(b, br, true)
}

func puts(br *branch) bool {
	return some(br, func(op *consensusv1.Op) bool { return op.GetPut() != nil })
}

func deletes(br *branch) bool {
	return some(br, func(op *consensusv1.Op) bool { return op.GetDeleteRange() != nil })
}

// some tells whether a path has an operation that is.
func some(br *branch, is func(*consensusv1.Op) bool) bool {
	for _, op := range br.ops {
		if is(op) {
			return true
		}
	}
	for _, n := range br.nested {
		if some(n, is) {
			return true
		}
	}
	return false
}

func effectOf(b *Batch, br *branch, deletes bool) error {
	e := effect{b: b, deletes: deletes, tally: b.quotas.Tally(), written: make(map[string]int64)}
	if err := e.add(br); err != nil {
		return err
	}
	return e.tally.Check()
}

// gone is the size of a key that does not exist.
const gone = -1

// effect is what a path would change, operation by operation.
type effect struct {
	b       *Batch
	deletes bool
	tally   *prefixquota.Tally
	// written are the sizes of the values of keys that the operations so far have put or, of those, deleted.
	written map[string]int64
	// deleted are the spans that they have deleted.
	deleted []mvcc.Span
}

func (e *effect) add(br *branch) error {
	nested := br.nested
	for _, o := range br.ops {
		var err error
		switch o := o.GetOp().(type) {
		case *consensusv1.Op_Put:
			err = e.put(o.Put)
		case *consensusv1.Op_DeleteRange:
			if e.deletes {
				err = e.delete(mvcc.NewSpan(o.DeleteRange.GetKey(), o.DeleteRange.GetRangeEnd()))
			}
		case *consensusv1.Op_Txn:
			err = e.add(nested[0])
			nested = nested[1:]
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (e *effect) put(op *consensusv1.PutOp) error {
	size, err := e.size(op.GetKey())
	if err != nil {
		return err
	}
	value := int64(len(op.GetValue()))
	if size != gone && op.GetIgnoreValue() {
		value = size
	}
	change := prefixquota.Use{Bytes: value - size}
	if size == gone {
		change = prefixquota.Use{Keys: 1, Bytes: int64(len(op.GetKey())) + value}
	}
	e.tally.Add(op.GetKey(), change)
	e.written[string(op.GetKey())] = value
	return nil
}

// size returns that of a key's value after the operations so far.
func (e *effect) size(key []byte) (int64, error) {
	if size, ok := e.written[string(key)]; ok {
		return size, nil
	}
	if e.isDeleted(key) {
		return gone, nil
	}
	var r mvcc.Row
	live, err := e.b.rows.Get(key, mvcc.NewestRevision, &r)
	if err != nil || !live {
		return gone, err
	}
	return int64(len(r.Value)), nil
}

func (e *effect) isDeleted(key []byte) bool {
	for _, s := range e.deleted {
		if s.Contains(key) {
			return true
		}
	}
	return false
}

func (e *effect) delete(s mvcc.Span) error {
	for key, size := range e.written {
		if k := []byte(key); size != gone && s.Contains(k) {
			e.tally.Add(k, prefixquota.Use{Keys: -1, Bytes: -int64(len(k)) - size})
			e.written[key] = gone
		}
	}
	err := e.b.rows.Scan(context.Background(), s, mvcc.NewestRevision, func(r *mvcc.Row) (bool, error) {
		if _, written := e.written[string(r.Key)]; !written && !e.isDeleted(r.Key) {
			e.tally.Add(r.Key, prefixquota.Use{Keys: -1, Bytes: -int64(len(r.Key) + len(r.Value))})
		}
		return true, nil
	})
	e.deleted = append(e.deleted, s)
	return err
}
