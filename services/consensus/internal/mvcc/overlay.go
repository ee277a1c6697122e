package mvcc

import (
	"bytes"
	"slices"

	"go.etcd.io/etcd/api/v3/mvccpb"
)

// overlay holds what the batch at hand has changed so far, in front of what is committed, so that each command sees
// the ones before it. It lives as long as one batch.
type overlay struct {
	keys map[string]*overlayKey
	// sorted holds the keys in order, as far as a scan needed them so; recent those that came since.
	sorted, recent []*overlayKey
	// leased counts, for a lease, the keys here that are attached to it: most leases have none, and need no look.
	leased map[int64]int
	// slab holds the overlayKeys, cut from chunks that are kept for the next batch.
	chunks [][]overlayKey
	used   int
	// gone holds what was deleted in bulk, and is in neither keys nor sorted.
	gone gone
}

// overlayKey is one changed key.
type overlayKey struct {
	key []byte
	// base is the revision of the version that the batch found, 0 if the key did not exist.
	base int64
	// before is what the newest revision found, as its first event tells, nil if the key did not exist or nobody is told;
	// beforeRevision is the revision of that, 0 if the key did not exist.
	before         *mvccpb.KeyValue
	beforeRevision int64
	// recreated says that the newest version is a put of a key that its revision had deleted.
	recreated bool
	// versions, oldest first.
	versions []Row
	// first is where versions begins, as nearly all keys change once in a batch.
	first [1]Row
}

// each calls fn for every changed key, in no order that means anything.
func (o *overlay) each(fn func(*overlayKey)) {
	for i := range o.used {
		fn(&o.chunks[i/overlayChunkKeys][i%overlayChunkKeys])
	}
}

// overlayChunkKeys is how many keys' memory is allocated at a time, overlayChunksKept how many of such chunks outlive a
// batch: what a usual batch needs.
const (
	overlayChunkKeys  = 64
	overlayChunksKept = 32
)

func newOverlay() overlay {
	return overlay{keys: make(map[string]*overlayKey), leased: make(map[int64]int)}
}

func (o *overlay) reset() {
	if o.used > overlayChunkKeys*overlayChunksKept {
		*o = newOverlay()
		return
	}
	clear(o.keys)
	clear(o.leased)
	clear(o.sorted)
	clear(o.recent)
	o.gone = gone{}
	o.sorted, o.recent = o.sorted[:0], o.recent[:0]
	for i := 0; i*overlayChunkKeys < o.used; i++ {
		clear(o.chunks[i][:min(overlayChunkKeys, o.used-i*overlayChunkKeys)])
	}
	o.used = 0
}

// at returns the version of the key that is newest at the revision, nil if the overlay does not know.
func (k *overlayKey) at(revision int64) *Row {
	for i := len(k.versions) - 1; i >= 0; i-- {
		if k.versions[i].Revision <= revision {
			return &k.versions[i]
		}
	}
	return nil
}

func (k *overlayKey) newest() *Row { return &k.versions[len(k.versions)-1] }

// add records a new version of a key; base is as in overlayKey, and counts the first time. A second version of the same
// revision replaces the first. before is as in overlayKey.
func (o *overlay) add(r Row, base int64, before *mvccpb.KeyValue) *overlayKey {
	k := o.find(r.Key)
	if k == nil {
		k = o.insert(r.Key, base)
	} else if old := k.newest(); old.Lease != 0 {
		o.detach(old.Lease)
	}
	if n := len(k.versions); n > 0 && k.versions[n-1].Revision == r.Revision {
		k.versions[n-1] = r
	} else {
		k.versions = append(k.versions, r)
		k.before, k.beforeRevision = before, before.GetModRevision()
	}
	if r.Lease != 0 {
		o.leased[r.Lease]++
	}
	return k
}

func (o *overlay) insert(key []byte, base int64) *overlayKey {
	if o.used == len(o.chunks)*overlayChunkKeys {
		o.chunks = append(o.chunks, make([]overlayKey, overlayChunkKeys))
	}
	k := &o.chunks[o.used/overlayChunkKeys][o.used%overlayChunkKeys]
	o.used++
	k.key, k.base = key, base
	k.versions = k.first[:0]
	o.keys[stringOf(key)] = k
	o.recent = append(o.recent, k)
	return k
}

func (o *overlay) detach(lease int64) {
	if o.leased[lease]--; o.leased[lease] == 0 {
		delete(o.leased, lease)
	}
}

// within returns the changed keys of the span, which is not a single key, in order. The result is valid until the next
// add.
func (o *overlay) within(s Span) []*overlayKey {
	if len(o.keys) == 0 || s.empty() {
		return nil
	}
	o.sort()
	if s.unbounded {
		return o.sorted[find(o.sorted, s.low):]
	}
	return o.sorted[find(o.sorted, s.low):find(o.sorted, s.high)]
}

func (o *overlay) sort() {
	if len(o.recent) == 0 {
		return
	}
	slices.SortFunc(o.recent, func(a, b *overlayKey) int { return bytes.Compare(a.key, b.key) })
	end := len(o.sorted)
	o.sorted = append(o.sorted, o.recent...)
	// From the last on, each finds its place, and what is behind it moves up: a scan after every put sorts nothing anew.
	for i := len(o.recent) - 1; i >= 0; i-- {
		at := find(o.sorted[:end], o.recent[i].key)
		copy(o.sorted[at+i+1:], o.sorted[at:end])
		o.sorted[at+i], end = o.recent[i], at
	}
	clear(o.recent)
	o.recent = o.recent[:0]
}

// find returns where a key is, or would be, among keys in order.
func find(sorted []*overlayKey, key []byte) int {
	i, _ := slices.BinarySearchFunc(sorted, key, func(k *overlayKey, key []byte) int { return bytes.Compare(k.key, key) })
	return i
}

// attached returns the keys here that are attached to the lease, in no order.
func (o *overlay) attached(lease int64) []*overlayKey {
	if o.leased[lease] == 0 {
		return nil
	}
	o.sort()
	var keys []*overlayKey
	for _, k := range o.sorted {
		if r := k.newest(); !r.Tombstone && r.Lease == lease {
			keys = append(keys, k)
		}
	}
	return keys
}
