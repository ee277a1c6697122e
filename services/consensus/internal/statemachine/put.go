package statemachine

import (
	"bytes"
	"fmt"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/consensus/internal/mvcc"
)

func put(b *Batch, op *consensusv1.PutOp) (*consensusv1.Result, error) {
	if raised(b, consensusv1.Alarm_TYPE_NOSPACE) {
		return nil, errdefs.ErrNoSpace
	}
	if err := checkLease(b, op.GetLease()); err != nil {
		return nil, err
	}
	var prev mvcc.Row
	live, err := b.rows.Get(op.GetKey(), mvcc.NewestRevision, &prev)
	if err != nil {
		return nil, err
	}
	if !live && keepsSomething(op) {
		return nil, fmt.Errorf("put %q: %w", op.GetKey(), errdefs.ErrKeyNotFound)
	}
	if !b.quotas.None() {
		if err := b.quotas.Check(op.GetKey(), ofPut(op, &prev, live)); err != nil {
			return nil, err
		}
	}
	// One allocation for the three messages of the most frequent answer.
	answer := &struct {
		result consensusv1.Result
		put    consensusv1.Result_Put
		body   consensusv1.PutResult
	}{}
	answer.result.Result, answer.put.Put = &answer.put, &answer.body
	write(b, op, &prev, live, &answer.body)
	return &answer.result, nil
}

func keepsSomething(op *consensusv1.PutOp) bool { return op.GetIgnoreValue() || op.GetIgnoreLease() }

// checkPut refuses what a put on its own would be refused for, in the same order: the lease comes before the key.
func checkPut(b *Batch, op *consensusv1.PutOp) error {
	if raised(b, consensusv1.Alarm_TYPE_NOSPACE) {
		return errdefs.ErrNoSpace
	}
	if err := checkLease(b, op.GetLease()); err != nil {
		return err
	}
	if keepsSomething(op) {
		var r mvcc.Row
		live, err := b.rows.Get(op.GetKey(), mvcc.NewestRevision, &r)
		if err != nil {
			return err
		}
		if !live {
			return fmt.Errorf("put %q: %w", op.GetKey(), errdefs.ErrKeyNotFound)
		}
	}
	return nil
}

// putInTxn carries out a put that checkPut has let pass.
func putInTxn(b *Batch, op *consensusv1.PutOp, res *consensusv1.PutResult) error {
	var prev mvcc.Row
	live, err := b.rows.Get(op.GetKey(), mvcc.NewestRevision, &prev)
	if err != nil {
		return err
	}
	write(b, op, &prev, live, res)
	return nil
}

// write writes a put that was checked. prev is the key's newest version, if it exists.
func write(b *Batch, op *consensusv1.PutOp, prev *mvcc.Row, live bool, res *consensusv1.PutResult) {
	r := mvcc.Row{Key: op.GetKey(), Record: mvcc.Record{Lease: op.GetLease(), Value: op.GetValue()}}
	if !live {
		b.rows.Put(&r, nil, false)
		return
	}
	if op.GetIgnoreValue() {
		r.Value = bytes.Clone(prev.Value)
	}
	if op.GetIgnoreLease() {
		r.Lease = prev.Lease
	}
	replaced := b.rows.Put(&r, prev, false)
	if op.GetPrevKv() {
		res.PrevKv = replaced
	}
}
