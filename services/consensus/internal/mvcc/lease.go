package mvcc

import (
	"bytes"
	"context"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
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
	b, err := getRow(s, appendLeaseKey(nil, id))
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

// Lease returns a lease, nil if it does not exist.
func (b *Batch) Lease(id int64) (*consensusv1.Lease, error) {
	if l, ok := b.leases[id]; ok {
		return l, nil
	}
	base, err := seekBase(b)
	if err != nil {
		return nil, err
	}
	b.w.keyBuf = appendLeaseKey(b.w.keyBuf[:0], id)
	if !base.it.SeekPrefixGE(b.w.keyBuf) {
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
	b.w.valueBuf = appendLease(b.w.valueBuf[:0], l)
	b.w.set(appendLeaseKey(b.w.keyBuf[:0], l.GetId()), b.w.valueBuf)
}

// DropLease deletes a lease that exists. What is attached to it is its caller's.
func (b *Batch) DropLease(l *consensusv1.Lease) {
	b.now.replace(hashLease(l), 0)
	b.now.usage.live -= leaseUsage(l)
	b.leases[l.GetId()] = nil
	b.w.delete(appendLeaseKey(b.w.keyBuf[:0], l.GetId()))
}

// Attached appends the keys that are attached to a lease.
func (b *Batch) Attached(id int64, keys [][]byte) ([][]byte, error) {
	for _, k := range b.overlay.attached(id) {
		keys = append(keys, k.key)
	}
	base, err := seekBase(b)
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
