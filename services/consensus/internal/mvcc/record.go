package mvcc

import (
	"encoding/binary"
	"errors"
	"fmt"
)

var errBadRecord = errors.New("malformed record")

// Record is what is stored of one version, beside its key and revision. For a put of sub-revision 0 that created its
// key at revision 300:
//
//	00            flags: neither a tombstone nor leased
//	00            sub-revision
//	ac 02         create revision
//	01            version
//	...           the value
//
// All numbers are varints. The lease, and then the expiration, follow the version if the flags say so. A tombstone ends
// after its sub-revision.
type Record struct {
	sub     int64
	Create  int64
	Version int64
	Lease   int64
	// expiration is when the key ends as a file of the tree, in nanoseconds since 1970; 0 for never.
	Expiration int64
	Tombstone  bool
	// value aliases the bytes that the record was read from.
	Value []byte
}

const (
	flagTombstone = 1 << iota
	flagLeased
	flagExpires
	flagsKnown = flagTombstone | flagLeased | flagExpires
	// Marks in the history: see change.
	flagOverwritten = 1 << 5
	flagRecreated   = 1 << 6
	flagTree        = 1 << 7
)

// Row is one version of one key.
type Row struct {
	Key      []byte
	Revision int64
	Record
}

func appendRecord(dst []byte, r *Record) []byte {
	if r.Tombstone {
		return binary.AppendUvarint(append(dst, flagTombstone), uint64(r.sub))
	}
	var flags byte
	if r.Lease != 0 {
		flags |= flagLeased
	}
	if r.Expiration != 0 {
		flags |= flagExpires
	}
	dst = append(dst, flags)
	dst = binary.AppendUvarint(dst, uint64(r.sub))
	dst = binary.AppendUvarint(dst, uint64(r.Create))
	dst = binary.AppendUvarint(dst, uint64(r.Version))
	if r.Lease != 0 {
		dst = binary.AppendUvarint(dst, uint64(r.Lease))
	}
	if r.Expiration != 0 {
		dst = binary.AppendUvarint(dst, uint64(r.Expiration))
	}
	return append(dst, r.Value...)
}

func decodeRecord(b []byte, r *Record) error {
	if len(b) < 2 || b[0]&^flagsKnown != 0 {
		return fmt.Errorf("version record %.16x: %w", b, errBadRecord)
	}
	d := decoder{b: b[1:]}
	*r = Record{}
	r.sub, r.Tombstone = d.int64(), b[0]&flagTombstone != 0
	if !r.Tombstone {
		r.Create, r.Version = d.int64(), d.int64()
		if b[0]&flagLeased != 0 {
			r.Lease = d.int64()
		}
		if b[0]&flagExpires != 0 {
			r.Expiration = d.int64()
		}
	}
	if d.failed {
		return fmt.Errorf("version record %.16x: %w", b, errBadRecord)
	}
	r.Value = d.b
	return nil
}

// change is one entry of the history: what a revision did to a key, or, at the end of a revision, to the tree.
type change struct {
	tombstone bool
	// previous is the revision of the version that this one replaced, 0 if the key did not exist.
	previous int64
	key      []byte
	// recreated marks a put of a key that the same revision deleted before: to its watchers it replaces nothing.
	recreated bool
	// overwritten marks a change that the same revision followed by another of its key: the key's version of that revision is
	// the last one, so what this one wrote is only in record.
	overwritten bool
	record      Record
	// tree is an encoded TreeChange, and nil in the entry of a key. It stands alone.
	tree []byte
}

func appendChange(dst []byte, c *change) []byte {
	if c.tree != nil {
		return append(append(dst, flagTree), c.tree...)
	}
	var flags byte
	if c.tombstone {
		flags |= flagTombstone
	}
	if c.recreated {
		flags |= flagRecreated
	}
	if !c.overwritten {
		dst = binary.AppendUvarint(append(dst, flags), uint64(c.previous))
		return append(dst, c.key...)
	}
	dst = binary.AppendUvarint(append(dst, flags|flagOverwritten), uint64(c.previous))
	dst = binary.AppendUvarint(dst, uint64(len(c.key)))
	dst = append(dst, c.key...)
	return appendRecord(dst, &c.record)
}

func decodeChange(b []byte, c *change) error {
	if len(b) > 0 && b[0] == flagTree {
		*c = change{tree: b[1:]}
		return nil
	}
	if len(b) < 2 || b[0]&^(flagTombstone|flagRecreated|flagOverwritten) != 0 {
		return fmt.Errorf("history record %.16x: %w", b, errBadRecord)
	}
	d := decoder{b: b[1:]}
	*c = change{
		tombstone: b[0]&flagTombstone != 0, recreated: b[0]&flagRecreated != 0, overwritten: b[0]&flagOverwritten != 0,
		previous: d.int64(),
	}
	keyBytes := uint64(len(d.b))
	if c.overwritten {
		keyBytes = d.uint64()
	}
	if d.failed || keyBytes > uint64(len(d.b)) {
		return fmt.Errorf("history record %.16x: %w", b, errBadRecord)
	}
	c.key = d.b[:keyBytes:keyBytes]
	if c.overwritten {
		return decodeRecord(d.b[keyBytes:], &c.record)
	}
	return nil
}

// LeaseTimes is what is stored of a lease, in seconds: what it was granted, and what was left of that when it was recorded last, 0 if it
// was not.
type LeaseTimes struct{ Granted, Remaining int64 }

func appendLease(dst []byte, t LeaseTimes) []byte {
	dst = binary.AppendUvarint(dst, uint64(t.Granted))
	return binary.AppendUvarint(dst, uint64(t.Remaining))
}

func decodeLease(b []byte) (LeaseTimes, error) {
	d := decoder{b: b}
	t := LeaseTimes{Granted: d.int64(), Remaining: d.int64()}
	if d.failed || len(d.b) != 0 {
		return LeaseTimes{}, fmt.Errorf("lease record %.16x: %w", b, errBadRecord)
	}
	return t, nil
}

// firstRevision is where a store starts: the first change makes revision 2, as in etcd.
const firstRevision = 1

// Dir is the record of a directory.
type Dir struct {
	// Create and Mod are the revisions that made and changed it.
	Create, Mod int64
	// Expiration is when it ends, in nanoseconds since 1970; 0 for never.
	Expiration int64
}

// position is where the state stands. It is stored with every batch, so that whatever part of the writes survives a
// crash, it names exactly that part.
type position struct {
	// index and term of the newest log entry in the state.
	index, term uint64
	revision    int64
	// compacted is the oldest revision that can be read, or what a fresh store has: 0.
	compacted int64
	// epoch of the newest lease service that may expire leases.
	epoch uint64
	digest
}

// freshPosition is that of an empty store.
func freshPosition() position {
	return position{revision: firstRevision, digest: digest{known: true, whole: true}}
}

func appendPosition(dst []byte, p *position) []byte {
	dst = binary.AppendUvarint(dst, p.index)
	dst = binary.AppendUvarint(dst, p.term)
	dst = binary.AppendUvarint(dst, uint64(p.revision))
	dst = binary.AppendUvarint(dst, uint64(p.compacted))
	dst = binary.AppendUvarint(dst, p.epoch)
	return appendDigest(dst, &p.digest)
}

func decodePosition(b []byte, p *position) error {
	d := decoder{b: b}
	*p = position{index: d.uint64(), term: d.uint64(), revision: d.int64(), compacted: d.int64(), epoch: d.uint64()}
	ok := !d.failed
	if ok {
		p.digest, ok = decodeDigest(d.b)
	}
	if !ok {
		return fmt.Errorf("position record %.16x: %w", b, errBadRecord)
	}
	return nil
}

// decoder takes varints off the front of b. Once one is malformed it stays failed, so that callers check once.
type decoder struct {
	b      []byte
	failed bool
}

func (d *decoder) uint64() uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.failed, d.b = true, nil
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) int64() int64 { return int64(d.uint64()) }
