package mvcc

import (
	"encoding/binary"
	"math/bits"

	"github.com/cespare/xxhash/v2"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// Members that applied the same log hold the same state. Two hashes show whether they do, and cost a write a few dozen
// nanoseconds:
//
//   - The state's is a sum, modulo 2^64, of a hash of everything that is current: each key's newest version, each lease,
//     directory and alarm. A change takes out the hash of what was there and adds that of what is there now. So it can be
//     compared between members at any index of the log, and, which a hash in the order of changes could not, with what a
//     scan of the state finds (Verify), and it can begin with a scan where it was not kept before.
//   - The history's is a chain over everything that happened since the last index that is a multiple of DigestInterval,
//     where it begins anew. It shows what the sum has forgotten: a wrong event of a key that is gone again. Because it
//     begins anew, a member need not have been there from the first entry on.
//
// Both follow from the log alone, whatever falls into one batch. They are stored with each batch, as part of the position.
// A position without them is of a program that kept none: then a scan finds the sum, and the chain begins with the next
// interval. Old versions of keys are in no hash, since each member removes them when it likes.
// The hashes are for accidents; they do not withstand somebody who wants a collision.

// DigestInterval is how many log entries lie between two digests that all members can compare.
const DigestInterval = 64

// DigestFormat names what is hashed, and how. Digests of different formats cannot be compared, not with what is on disk
// either.
const DigestFormat = 2

// Digest is what a state hashes to at an index of the log.
type Digest struct {
	Index    uint64
	Revision int64
	// State is of what is current, 0 while it is not known.
	State uint64
	// History is of what happened since the multiple of DigestInterval before, 0 if that is not known.
	History uint64
}

// digest is the digest as it is kept.
type digest struct {
	// sum of the hashes of what is current. Unless known, only of what changed since the store was opened.
	sum   uint64
	known bool
	// chain of what happened since the last multiple of DigestInterval. It means nothing unless whole.
	chain uint64
	whole bool
}

const (
	digestKnown = 1 << iota
	digestWhole
)

// appendDigest appends the digest to the record of a position: its format, flags, the sum and the chain.
func appendDigest(dst []byte, d *digest) []byte {
	var flags byte
	if d.known {
		flags |= digestKnown
	}
	if d.whole {
		flags |= digestWhole
	}
	dst = append(dst, DigestFormat, flags)
	dst = binary.BigEndian.AppendUint64(dst, d.sum)
	return binary.BigEndian.AppendUint64(dst, d.chain)
}

// decodeDigest reads what follows a position, false if it is malformed. Where nothing does, or a digest of another
// format, the digest is not known.
func decodeDigest(b []byte) (digest, bool) {
	if len(b) == 0 || b[0] != DigestFormat {
		return digest{}, true
	}
	if len(b) != 2+2*8 {
		return digest{}, false
	}
	return digest{
		sum: binary.BigEndian.Uint64(b[2:]), known: b[1]&digestKnown != 0,
		chain: binary.BigEndian.Uint64(b[10:]), whole: b[1]&digestWhole != 0,
	}, true
}

// happened folds what a command did into the history.
func (d *digest) happened(h uint64) { d.chain = fold(d.chain, h) }

// replace counts a change of something current: what it hashed to, 0 if it was not there, and what it hashes to now.
func (d *digest) replace(was, is uint64) {
	d.sum += is - was
	d.happened(is ^ bits.RotateLeft64(was, 32))
}

// changeVersion counts that r takes the place of prev, which is nil if the key did not exist.
func (d *digest) changeVersion(prev, r *Row) {
	key := xxhash.Sum64(r.Key)
	var was uint64
	if prev != nil {
		was = prev.hash(key)
	}
	if !r.Tombstone {
		d.replace(was, r.hash(key))
		return
	}
	d.replace(was, 0)
	d.happened(fold(key, uint64(r.Revision)))
}

// Seeds keep the kinds of things apart. The primes are xxHash's, and so is the way to stir with them.
const (
	seedVersion uint64 = iota + 1
	seedLease
	seedDir
	seedAlarm
	seedAttachment
	seedExpiry
	seedState
	seedHistory
	seedRecord

	prime1 = 11400714785074694791
	prime2 = 14029467366897019727
	prime3 = 1609587929392839161
	prime4 = 9650029242287828579
)

func fold(h, x uint64) uint64 {
	h ^= bits.RotateLeft64(x*prime2, 31) * prime1
	return bits.RotateLeft64(h, 27)*prime1 + prime4
}

// finish lets every bit depend on all: sums of what it returns show a difference in any of them.
func finish(h uint64) uint64 {
	h ^= h >> 33
	h *= prime2
	h ^= h >> 29
	h *= prime3
	return h ^ h>>32
}

// hash is of a version that is current. key is the hash of its key.
func (r *Row) hash(key uint64) uint64 {
	h := fold(fold(seedVersion, key), xxhash.Sum64(r.Value))
	h = fold(fold(fold(h, uint64(r.Create)), uint64(r.Revision)), uint64(r.Version))
	return finish(fold(fold(h, uint64(r.Lease)), uint64(r.Expiration)))
}

// hashAttachment is of a key that is attached to a lease. key is the hash of the key.
func hashAttachment(lease int64, key uint64) uint64 {
	return finish(fold(fold(seedAttachment, uint64(lease)), key))
}

// hashExpiry is of the end of a file or directory of the tree.
func hashExpiry(at int64, kind byte, path uint64) uint64 {
	return finish(fold(fold(fold(seedExpiry, uint64(at)), uint64(kind)), path))
}

func hashLease(id int64, t LeaseTimes) uint64 {
	return finish(fold(fold(fold(seedLease, uint64(id)), uint64(t.Granted)), uint64(t.Remaining)))
}

// hashDir is 0 for nil.
func hashDir(path []byte, d *Dir) uint64 {
	if d == nil {
		return 0
	}
	h := fold(fold(seedDir, xxhash.Sum64(path)), uint64(d.Create))
	return finish(fold(fold(h, uint64(d.Mod)), uint64(d.Expiration)))
}

func hashAlarm(a *consensusv1.Alarm) uint64 {
	return finish(fold(fold(seedAlarm, a.GetMemberId()), uint64(a.GetType())))
}

// hashTreeChange leaves out what the events of the revision say.
func hashTreeChange(c *consensusv1.TreeChange) uint64 {
	h := fold(uint64(c.GetAction()), xxhash.Sum64(c.GetNode().GetPath()))
	if c.GetSilent() {
		h = fold(h, 1)
	}
	for _, path := range c.GetRemoved() {
		h = fold(h, xxhash.Sum64(path))
	}
	return h
}
