package mvcc

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/pkg/problem"
)

// Leases returns the leases that exist, ordered by id.
func (s *Store) Leases(ctx context.Context) ([]*consensusv1.Lease, error) {
	return readLeases(ctx, s.each)
}

// readLeases reads all leases by way of each, which is a store's or a view's.
func readLeases(ctx context.Context, each func(lower, upper []byte, fn func(key, value []byte) error) error) ([]*consensusv1.Lease, error) {
	var leases []*consensusv1.Lease
	lower, upper := spaceLease.bounds()
	err := each(lower, upper, attentive(ctx, func(k, v []byte) error {
		id, err := splitLeaseKey(k)
		if err != nil {
			return err
		}
		l, err := decodeLease(v, id)
		leases = append(leases, l)
		return err
	}))
	return leases, err
}

// LeaseKeys returns the keys that are attached to a lease, in order, and whether the lease exists.
func (s *Store) LeaseKeys(ctx context.Context, id int64) (keys [][]byte, exists bool, err error) {
	b, err := s.get(appendLeaseKey(nil, id))
	if err != nil || b == nil {
		return nil, false, err
	}
	lower, upper := attachmentBounds(id)
	err = s.each(lower, upper, attentive(ctx, func(k, _ []byte) error {
		_, key, err := splitAttachmentKey(k)
		keys = append(keys, bytes.Clone(key))
		return err
	}))
	return keys, true, err
}

// checkLease tells whether a put may name the lease; 0 is none.
func (b *Batch) checkLease(id int64) error {
	if id == 0 {
		return nil
	}
	l, err := b.Lease(id)
	if err == nil && l == nil {
		err = fmt.Errorf("lease %d: %w", id, problem.ErrLeaseNotFound)
	}
	return err
}

// Lease returns a lease, nil if it does not exist.
func (b *Batch) Lease(id int64) (*consensusv1.Lease, error) {
	if l, ok := b.leases[id]; ok {
		return l, nil
	}
	base, err := b.seekBase()
	if err != nil {
		return nil, err
	}
	b.keyBuf = appendLeaseKey(b.keyBuf[:0], id)
	if !base.it.SeekPrefixGE(b.keyBuf) {
		b.leases[id] = nil
		return nil, base.it.Error()
	}
	v, err := base.it.ValueAndErr()
	if err != nil {
		return nil, err
	}
	l, err := decodeLease(v, id)
	if err == nil {
		b.leases[id] = l
	}
	return l, err
}

// SetLease stores a lease that the store may keep, in place of old, which is nil if there was none.
func (b *Batch) SetLease(old, l *consensusv1.Lease) {
	b.now.replace(hashLease(old), hashLease(l))
	b.now.usage.live += leaseUsage(l) - leaseUsage(old)
	b.leases[l.GetId()] = l
	b.valueBuf = appendLease(b.valueBuf[:0], l)
	b.set(appendLeaseKey(b.keyBuf[:0], l.GetId()), b.valueBuf)
}

func (b *Batch) applyLeaseGrant(op *consensusv1.LeaseGrantOp) (*consensusv1.Result, error) {
	if b.raised(consensusv1.Alarm_TYPE_NOSPACE) {
		return nil, problem.ErrNoSpace
	}
	if err := b.checkEpoch(op.GetEpoch()); err != nil {
		return nil, err
	}
	l, err := b.Lease(op.GetId())
	if err != nil {
		return nil, err
	}
	if l != nil {
		return nil, fmt.Errorf("lease %d: %w", op.GetId(), problem.ErrLeaseExists)
	}
	b.SetLease(nil, &consensusv1.Lease{Id: op.GetId(), GrantedTtl: op.GetTtl()})
	return &consensusv1.Result{Result: &consensusv1.Result_LeaseGrant{LeaseGrant: &consensusv1.LeaseGrantResult{}}}, nil
}

func (b *Batch) checkEpoch(epoch uint64) error {
	if epoch != 0 && epoch != b.now.epoch {
		return fmt.Errorf("epoch %d, newest is %d: %w", epoch, b.now.epoch, problem.ErrStaleEpoch)
	}
	return nil
}

// applyLeaseRevoke ends leases and deletes the keys of all of them, in order, in one revision.
func (b *Batch) applyLeaseRevoke(op *consensusv1.LeaseRevokeOp) (*consensusv1.Result, error) {
	if err := cmp.Or(b.checkEpoch(op.GetEpoch()), b.checkEpoch(op.GetFence())); err != nil {
		return nil, err
	}
	ids, err := b.revocable(op)
	if err != nil {
		return nil, err
	}
	var keys [][]byte
	for _, id := range ids {
		if keys, err = b.Attached(id, keys); err != nil {
			return nil, err
		}
	}
	// A key is attached to one lease at a time, so none comes twice.
	slices.SortFunc(keys, bytes.Compare)
	if err := b.DeleteKeys(keys); err != nil {
		return nil, err
	}
	if op.GetEpoch() != 0 && b.sub > 0 {
		if err := b.changeTree(&consensusv1.TreeChange{Action: consensusv1.TreeAction_TREE_ACTION_EXPIRE}); err != nil {
			return nil, err
		}
	}
	for _, id := range ids {
		b.now.replace(hashLease(b.leases[id]), 0) // revocable has looked it up
		b.now.usage.live -= leaseUsage(b.leases[id])
		b.leases[id] = nil
		b.delete(appendLeaseKey(b.keyBuf[:0], id))
	}
	res := &consensusv1.LeaseRevokeResult{Revoked: ids}
	return &consensusv1.Result{Result: &consensusv1.Result_LeaseRevoke{LeaseRevoke: res}}, nil
}

// revocable returns the leases that exist, each once. Only a client is told of one that does not: what the lease service
// finds expired may have been revoked meanwhile.
func (b *Batch) revocable(op *consensusv1.LeaseRevokeOp) ([]int64, error) {
	ids := make([]int64, 0, len(op.GetIds()))
	named := make(map[int64]bool, len(op.GetIds()))
	for _, id := range op.GetIds() {
		if named[id] {
			continue
		}
		named[id] = true
		l, err := b.Lease(id)
		if err != nil {
			return nil, err
		}
		if l == nil && op.GetEpoch() == 0 {
			return nil, fmt.Errorf("lease %d: %w", id, problem.ErrLeaseNotFound)
		}
		if l != nil {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

// Attached appends the keys that are attached to a lease.
func (b *Batch) Attached(id int64, keys [][]byte) ([][]byte, error) {
	for _, k := range b.overlay.attached(id) {
		keys = append(keys, k.key)
	}
	base, err := b.seekBase()
	if err != nil {
		return nil, err
	}
	lower, upper := attachmentBounds(id)
	err = base.each(lower, upper, func(k, _ []byte) error {
		_, key, err := splitAttachmentKey(k)
		// The overlay knows better of what it knows.
		if err == nil && b.overlay.keys[string(key)] == nil && !b.overlay.gone.at(key, NewestRevision) {
			keys = append(keys, b.slab.copy(key))
		}
		return err
	})
	return keys, err
}

func (b *Batch) applyLeaseAcquire(*consensusv1.LeaseAcquireOp) (*consensusv1.Result, error) {
	b.now.epoch++
	res := &consensusv1.LeaseAcquireResult{Epoch: b.now.epoch}
	return &consensusv1.Result{Result: &consensusv1.Result_LeaseAcquire{LeaseAcquire: res}}, nil
}

// applyLeaseCheckpoint passes over leases that do not exist: they may have been revoked meanwhile.
func (b *Batch) applyLeaseCheckpoint(op *consensusv1.LeaseCheckpointOp) (*consensusv1.Result, error) {
	if err := b.checkEpoch(op.GetEpoch()); err != nil {
		return nil, err
	}
	for _, remaining := range op.GetLeases() {
		l, err := b.Lease(remaining.GetId())
		if err != nil {
			return nil, err
		}
		if l != nil {
			b.SetLease(l, &consensusv1.Lease{Id: l.GetId(), GrantedTtl: l.GetGrantedTtl(), RemainingTtl: remaining.GetTtl()})
		}
	}
	res := &consensusv1.LeaseCheckpointResult{}
	return &consensusv1.Result{Result: &consensusv1.Result_LeaseCheckpoint{LeaseCheckpoint: res}}, nil
}
