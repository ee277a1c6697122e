package count

import (
	"slices"
	"sort"
)

const (
	// BucketKeysMax is how many keys a bucket holds before it is cut: as many as one can count in passing, times two,
	// since a stretch has two ends.
	BucketKeysMax = 256
	// bucketKeysMerged is the most that two neighbours may hold to become one. It is well below BucketKeysMax, so that
	// a few keys more do not cut them again.
	bucketKeysMerged = BucketKeysMax / 4
	// groupBucketsMax bounds what an update has to copy for one bucket.
	groupBucketsMax = 256
	// groupBucketsSmall is when a group is worth being joined with the next.
	groupBucketsSmall = groupBucketsMax / 8
)

// Bucket is the stretch of keys from Low up to the next bucket's Low. The first bucket's Low is empty.
type Bucket struct {
	Low  string
	Keys int64
}

// Index is an immutable set of buckets that covers the whole key space. New makes one.
//
// Buckets stand in groups, so that an update copies the groups that it changes and a list of groups, and a count adds up
// groups.
type Index struct {
	groups []group
}

type group struct {
	buckets []Bucket
	keys    int64
}

func newGroup(buckets []Bucket) group {
	g := group{buckets: buckets}
	for _, b := range buckets {
		g.keys += b.Keys
	}
	return g
}

func (g group) low() string { return g.buckets[0].Low }

// New returns the index of buckets that are ordered by Low. A first bucket that begins with the empty key is added if it
// is missing.
func New(buckets []Bucket) *Index {
	if len(buckets) == 0 || buckets[0].Low != "" {
		buckets = slices.Insert(slices.Clone(buckets), 0, Bucket{})
	}
	x := &Index{}
	for part := range slices.Chunk(buckets, groupBucketsMax/2) {
		x.groups = append(x.groups, newGroup(part))
	}
	return x
}

// Buckets returns how many buckets there are.
func (x *Index) Buckets() (n int) {
	for _, g := range x.groups {
		n += len(g.buckets)
	}
	return n
}

// Keys returns how many keys there are.
func (x *Index) Keys() (n int64) {
	for _, g := range x.groups {
		n += g.keys
	}
	return n
}

// Populated returns the first key, from the given one on, at which there may be keys: the given one, if its bucket has any, else
// where the next bucket begins that has. It is false if there is none.
func (x *Index) Populated(from string) (low string, some bool) {
	at := x.find(from)
	if x.bucket(at).Keys > 0 {
		return from, true
	}
	for at = x.following(at); at.group < len(x.groups); at = x.following(at) {
		if at.bucket == 0 && x.groups[at.group].keys == 0 {
			at.bucket = len(x.groups[at.group].buckets) - 1
			continue
		}
		if b := x.bucket(at); b.Keys > 0 {
			return b.Low, true
		}
	}
	return "", false
}

// Within returns where the last bucket begins that begins behind after and not behind upTo: a stretch from there on has no edge at
// its beginning. It is false if there is none.
func (x *Index) Within(after, upTo string) (low string, some bool) {
	low = x.bucket(x.find(upTo)).Low
	return low, low > after
}

// Edge is a part of a bucket, [Low, High), that holds at most Keys keys.
type Edge struct {
	Low, High string
	// Unbounded: there is no High.
	Unbounded bool
	// Keys is how many the whole bucket holds.
	Keys int64
	// Rest is the other part of the bucket, nil unless the edge is where the stretch ends. Where that is beyond all keys, nothing is in it.
	Rest *Rest
}

// Rest is [Low, High), or all from Low on.
type Rest struct {
	Low, High string
	Unbounded bool
}

// Between returns how many keys the buckets hold that lie within [low, high), or from low on if unbounded, and the parts
// of buckets, at most two, that the caller has to count itself.
func (x *Index) Between(low, high string, unbounded bool) (whole int64, edges []Edge) {
	if !unbounded && low >= high {
		return 0, nil
	}
	at := x.find(low)
	if b := x.bucket(at); b.Low != low {
		end, last := x.end(at)
		e := Edge{Low: low, High: end, Unbounded: last, Keys: b.Keys}
		if !unbounded && (last || high < end) {
			e.High, e.Unbounded = high, false
			return 0, append(edges, e)
		}
		edges = append(edges, e)
		at = x.following(at)
	}
	if unbounded {
		return x.sum(at, place{group: len(x.groups)}), edges
	}
	last := x.find(high)
	whole = x.sum(at, last)
	if b := x.bucket(last); b.Low != high {
		end, unbounded := x.end(last)
		edges = append(edges, Edge{Low: b.Low, High: high, Keys: b.Keys, Rest: &Rest{Low: high, High: end, Unbounded: unbounded}})
	}
	return whole, edges
}

// place is where a bucket stands. A bucket of 0 may stand behind the last group.
type place struct{ group, bucket int }

// find returns the place of the bucket that key belongs to.
func (x *Index) find(key string) place {
	g := sort.Search(len(x.groups), func(i int) bool { return x.groups[i].low() > key }) - 1
	buckets := x.groups[g].buckets
	return place{g, sort.Search(len(buckets), func(i int) bool { return buckets[i].Low > key }) - 1}
}

func (x *Index) bucket(p place) *Bucket { return &x.groups[p.group].buckets[p.bucket] }

func (x *Index) following(p place) place {
	if p.bucket++; p.bucket == len(x.groups[p.group].buckets) {
		return place{group: p.group + 1}
	}
	return p
}

// end returns where a bucket ends, and whether it is the last, which does not.
func (x *Index) end(p place) (high string, last bool) {
	if p = x.following(p); p.group == len(x.groups) {
		return "", true
	}
	return x.bucket(p).Low, false
}

// sum adds up the buckets of [from, to).
func (x *Index) sum(from, to place) (n int64) {
	for g := from.group; g <= to.group && g < len(x.groups); g++ {
		buckets, first, end := x.groups[g].buckets, 0, len(x.groups[g].buckets)
		if g == from.group {
			first = from.bucket
		}
		if g == to.group {
			end = to.bucket
		}
		if first == 0 && end == len(buckets) {
			n += x.groups[g].keys
			continue
		}
		for i := first; i < end; i++ {
			n += buckets[i].Keys
		}
	}
	return n
}
