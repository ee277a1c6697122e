package mvcc

import (
	"bytes"
	"context"

	"github.com/quoratedb/quorate/pkg/budget"
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
		times, err := decodeLease(v)
		leases = append(leases, &consensusv1.Lease{Id: id, GrantedTtl: times.Granted, RemainingTtl: times.Remaining})
		return err
	}))
	return leases, err
}

// attachedKeyBytes is about what a key in a list takes beside its bytes.
const attachedKeyBytes = 32

// LeaseKeys returns the keys that are attached to a lease, in order, and whether the lease exists.
func (s *Store) LeaseKeys(ctx context.Context, id int64) (keys [][]byte, exists bool, err error) {
	b, err := getRow(s, appendLeaseKey(nil, id))
	if err != nil || b == nil {
		return nil, false, err
	}
	lower, upper := attachmentBounds(id)
	grown := 0
	err = s.each(lower, upper, attentive(ctx, func(k, _ []byte) error {
		_, key, err := splitAttachmentKey(k)
		if err != nil {
			return err
		}
		keys = append(keys, bytes.Clone(key))
		if grown += attachedKeyBytes + len(key); grown < budget.AnswerStep {
			return nil
		}
		bytes := grown
		grown = 0
		return Grow(ctx, int64(bytes))
	}))
	return keys, true, err
}
