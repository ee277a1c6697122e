package mvcc

import (
	"bytes"
	"context"
	"math/big"
	"sort"

	"github.com/cockroachdb/pebble/v2"
	"go.etcd.io/etcd/api/v3/mvccpb"
)

// Salvage is Versions of a state that is damaged: it passes over the keys that cannot be read, and calls lost with the last key before and the first
// one behind them, nil where there is none. Of a key whose newest version cannot be read, none is told: an older one would seem to be what is current.
func (s *Snapshot) Salvage(ctx context.Context, fn func(sub, expiration int64, tombstone bool, kv *mvccpb.KeyValue) error, lost func(after, before []byte, cause error) error) (err error) {
	lower, upper := spaceVersion.bounds()
	it, err := s.v.it.Clone(pebble.CloneOptions{IterOptions: &pebble.IterOptions{LowerBound: lower, UpperBound: upper}})
	if err != nil {
		return err
	}
	defer func() { _ = it.Close() }() // what it says has been told
	keep := retention{floor: s.v.floor, revision: s.v.revision}
	var r Row
	var last []byte // the key that was come to last
	for valid := it.First(); ; {
		cause := it.Error()
		if valid {
			cause = readRow(it, &r)
		}
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case cause != nil:
			after := bytes.Clone(last)
			if key, _, err := splitVersionKey(it.Key()); valid && err == nil {
				last = append(last[:0], key...) // the row is there, and its value is not
			}
			var before []byte
			if valid = passOver(it, last); valid {
				before = bytes.Clone(it.Key()[1:max(1, len(it.Key())-versionSuffixBytes-1)])
			}
			if err := lost(after, before, cause); err != nil || !valid {
				return err
			}
			continue
		case !valid:
			return nil
		}
		last = append(last[:0], r.Key...)
		if keep.keeps(&r) {
			kv := &mvccpb.KeyValue{Key: r.Key, ModRevision: r.Revision, CreateRevision: r.Create, Version: r.Version, Value: r.Value, Lease: r.Lease}
			if err := fn(r.sub, r.Expiration, r.Tombstone, kv); err != nil {
				return err
			}
		}
		valid = it.Next()
	}
}

// passOverSteps bounds how closely the end of what cannot be read is looked for: each time that a block is asked for again, the storage engine tries which bit
// of it may have turned, for up to a second.
const passOverSteps = 32

// passOver goes to a key behind one that can be read, about the first one, and tells whether there is any. Keys are numbers here, so that halves of a distance,
// and of its logarithm before, find one.
func passOver(it *pebble.Iterator, last []byte) bool {
	const least = 64
	size := max(least, len(last)+8)
	padded := make([]byte, size)
	copy(padded, last)
	begin := new(big.Int).SetBytes(padded)
	seek := func(n *big.Int) bool {
		it.First() // else the engine goes on from where it has failed, and finds nothing
		return it.SeekGE(appendVersionPrefix(nil, n.FillBytes(padded)))
	}
	reads := func(n *big.Int) bool { return n.BitLen() > 8*size || seek(n) || it.Error() == nil }
	one := big.NewInt(1)
	distance := func(bits int) *big.Int { return new(big.Int).Lsh(one, uint(bits)) }
	far := sort.Search(8*size, func(bits int) bool { return reads(new(big.Int).Add(begin, distance(bits))) })
	low, high := new(big.Int).Set(begin), new(big.Int).Add(begin, distance(far))
	if far > 0 {
		low.Add(begin, distance(far-1))
	}
	for range passOverSteps {
		middle := new(big.Int).Add(high, low)
		if middle.Rsh(middle, 1); middle.Cmp(low) == 0 {
			break
		}
		if reads(middle) {
			high = middle
		} else {
			low = middle
		}
	}
	return high.BitLen() <= 8*size && seek(high)
}
