package statemachine

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/consensus/internal/mvcc"
)

// checkLease tells whether a put may name the lease; 0 is none.
func checkLease(b *Batch, id int64) error {
	if id == 0 {
		return nil
	}
	_, exists, err := b.rows.Lease(id)
	if err == nil && !exists {
		err = fmt.Errorf("lease %d: %w", id, errdefs.ErrLeaseNotFound)
	}
	return err
}

// grantLease makes a lease.
func grantLease(b *Batch, op *consensusv1.LeaseGrantOp) (*consensusv1.Result, error) {
	if raised(b, consensusv1.Alarm_TYPE_NOSPACE) {
		return nil, errdefs.ErrNoSpace
	}
	if err := checkEpoch(b, op.GetEpoch()); err != nil {
		return nil, err
	}
	_, exists, err := b.rows.Lease(op.GetId())
	if err != nil {
		return nil, err
	}
	if exists {
		return nil, fmt.Errorf("lease %d: %w", op.GetId(), errdefs.ErrLeaseExists)
	}
	b.rows.SetLease(op.GetId(), mvcc.LeaseTimes{Granted: op.GetTtl()})
	b.rows.Counters().Granted(op.GetTtl())
	return &consensusv1.Result{Result: &consensusv1.Result_LeaseGrant{LeaseGrant: &consensusv1.LeaseGrantResult{}}}, nil
}

// checkEpoch refuses what the lease service of an earlier epoch asks for. Epoch 0 is nobody's.
func checkEpoch(b *Batch, epoch uint64) error {
	if epoch != 0 && epoch != b.rows.Epoch() {
		return fmt.Errorf("epoch %d, newest is %d: %w", epoch, b.rows.Epoch(), errdefs.ErrStaleEpoch)
	}
	return nil
}

// revokeLeases ends leases and deletes the keys of all of them, in order, in one revision.
func revokeLeases(b *Batch, op *consensusv1.LeaseRevokeOp) (*consensusv1.Result, error) {
	if err := cmp.Or(checkEpoch(b, op.GetEpoch()), checkEpoch(b, op.GetFence())); err != nil {
		return nil, err
	}
	ids, err := revocable(b, op)
	if err != nil {
		return nil, err
	}
	keys, err := b.rows.Attached(ids)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(keys, bytes.Compare)
	if err := b.rows.DeleteKeys(keys); err != nil {
		return nil, err
	}
	if op.GetEpoch() != 0 && b.rows.Changed() {
		if err := b.rows.SetTreeChange(&consensusv1.TreeChange{Action: consensusv1.TreeAction_TREE_ACTION_EXPIRE}); err != nil {
			return nil, err
		}
	}
	for _, id := range ids {
		b.rows.DropLease(id)
	}
	b.rows.Counters().Revoked.Add(uint64(len(ids)))
	res := &consensusv1.LeaseRevokeResult{Revoked: ids}
	return &consensusv1.Result{Result: &consensusv1.Result_LeaseRevoke{LeaseRevoke: res}}, nil
}

// revocable returns the leases that exist, each once. Only a client is told of one that does not: what the lease service
// finds expired may have been revoked meanwhile.
func revocable(b *Batch, op *consensusv1.LeaseRevokeOp) ([]int64, error) {
	ids := make([]int64, 0, len(op.GetIds()))
	named := make(map[int64]bool, len(op.GetIds()))
	for _, id := range op.GetIds() {
		if named[id] {
			continue
		}
		named[id] = true
		_, exists, err := b.rows.Lease(id)
		if err != nil {
			return nil, err
		}
		if !exists && op.GetEpoch() == 0 {
			return nil, fmt.Errorf("lease %d: %w", id, errdefs.ErrLeaseNotFound)
		}
		if exists {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

// acquireLeases begins an epoch: whoever expired leases before must not go on.
func acquireLeases(b *Batch) (*consensusv1.Result, error) {
	epoch := b.rows.Epoch() + 1
	b.rows.SetEpoch(epoch)
	res := &consensusv1.LeaseAcquireResult{Epoch: epoch}
	return &consensusv1.Result{Result: &consensusv1.Result_LeaseAcquire{LeaseAcquire: res}}, nil
}

// checkpointLeases takes down how long leases have left. It passes over leases that do not exist: they may have been revoked meanwhile.
func checkpointLeases(b *Batch, op *consensusv1.LeaseCheckpointOp) (*consensusv1.Result, error) {
	if err := checkEpoch(b, op.GetEpoch()); err != nil {
		return nil, err
	}
	for _, remaining := range op.GetLeases() {
		times, exists, err := b.rows.Lease(remaining.GetId())
		if err != nil {
			return nil, err
		}
		if exists {
			times.Remaining = remaining.GetTtl()
			b.rows.SetLease(remaining.GetId(), times)
		}
	}
	res := &consensusv1.LeaseCheckpointResult{}
	return &consensusv1.Result{Result: &consensusv1.Result_LeaseCheckpoint{LeaseCheckpoint: res}}, nil
}
