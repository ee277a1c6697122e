package count

import (
	"slices"
	"sort"
)

// Change says that a key came (1) or went (-1).
type Change struct {
	Key   string
	Delta int64
}

// Update is what changes made of an index.
type Update struct {
	Index *Index
	// Changed are the buckets that are new or hold another number of keys, Removed where buckets began that are no more.
	Changed []Bucket
	Removed []string
}

// Split cuts the stretch [low, high), or from low on if unbounded, into buckets that begin with low, counting the keys
// as they are after the changes.
type Split func(low, high string, unbounded bool) ([]Bucket, error)

// Update returns what the changes, which may be in any order, make of the index; x stays as it is. Buckets that grow too
// large are cut by split, those that grow small join their left neighbour. The Low of a bucket that split returns is kept,
// so it must not refer to memory that lives longer than it should.
func (x *Index) Update(changes []Change, split Split) (Update, error) {
	u := updater{index: x, split: split}
	sort.Slice(changes, func(i, j int) bool { return changes[i].Key < changes[j].Key })
	for len(changes) > 0 {
		g := x.find(changes[0].Key).group
		n := len(changes)
		if g+1 < len(x.groups) {
			next := x.groups[g+1].low()
			n = sort.Search(len(changes), func(i int) bool { return changes[i].Key >= next })
		}
		if err := u.group(g, changes[:n]); err != nil {
			return Update{}, err
		}
		changes = changes[n:]
	}
	u.groups = append(u.groups, x.groups[u.done:]...)
	return Update{Index: &Index{groups: u.groups}, Changed: u.changed, Removed: u.removed}, nil
}

// updater builds the new list of groups from left to right.
type updater struct {
	index *Index
	split Split
	// groups holds the new groups, done how many of the old ones they stand for.
	groups  []group
	done    int
	changed []Bucket
	removed []string
}

// group takes the changes of one group of the old index, of which there is at least one.
func (u *updater) group(g int, changes []Change) error {
	u.groups = append(u.groups, u.index.groups[u.done:g]...)
	u.done = g + 1
	old := u.index.groups[g].buckets
	buckets := make([]Bucket, 0, len(old)+4)
	if left := len(u.groups) - 1; left >= 0 && len(u.groups[left].buckets) <= groupBucketsSmall {
		// Two small groups become one, or what moves through the key space would leave them behind.
		buckets = append(buckets, u.groups[left].buckets...)
		u.groups = u.groups[:left]
	}
	for i, b := range old {
		n := len(changes)
		if i+1 < len(old) {
			n = sort.Search(len(changes), func(j int) bool { return changes[j].Key >= old[i+1].Low })
		}
		if left := len(buckets) - 1; n == 0 && b.Keys == 0 && left >= 0 && buckets[left].Keys == 0 {
			u.removed = append(u.removed, b.Low) // its neighbour has just become as empty
			continue
		}
		if n == 0 {
			buckets = append(buckets, b)
			continue
		}
		var err error
		if buckets, err = u.bucket(buckets, b, g, i, changes[:n]); err != nil {
			return err
		}
		changes = changes[n:]
	}
	for len(buckets) > groupBucketsMax {
		u.groups = append(u.groups, newGroup(slices.Clone(buckets[:groupBucketsMax/2])))
		buckets = buckets[groupBucketsMax/2:]
	}
	if len(buckets) > 0 {
		u.groups = append(u.groups, newGroup(buckets))
	}
	return nil
}

// bucket appends what the changes make of the bucket i of group g.
func (u *updater) bucket(buckets []Bucket, b Bucket, g, i int, changes []Change) ([]Bucket, error) {
	before := b.Keys
	for _, c := range changes {
		b.Keys += c.Delta
	}
	switch {
	case b.Keys > BucketKeysMax:
		high, last := u.index.end(place{g, i})
		parts, err := u.split(b.Low, high, last)
		u.changed = append(u.changed, parts...)
		return append(buckets, parts...), err
	case b.Keys == before:
		return append(buckets, b), nil
	}
	if left := len(buckets) - 1; left >= 0 && joins(buckets[left].Keys, b.Keys) {
		buckets[left].Keys += b.Keys
		u.note(buckets[left])
		u.removed = append(u.removed, b.Low)
		return buckets, nil
	}
	u.note(b)
	return append(buckets, b), nil
}

// joins tells whether neighbours with so many keys become one. An empty stretch stays apart from one with keys, so that it can be
// told from that: see Populated.
func joins(left, right int64) bool {
	return (left == 0) == (right == 0) && left+right <= bucketKeysMerged
}

// note records a bucket's new number of keys, over an older note of the same one.
func (u *updater) note(b Bucket) {
	if n := len(u.changed); n > 0 && u.changed[n-1].Low == b.Low {
		u.changed[n-1] = b
		return
	}
	u.changed = append(u.changed, b)
}

// Cutter cuts a stretch whose keys it is shown in order into buckets: it is the greater part of a Split.
type Cutter struct {
	buckets []Bucket
}

// NewCutter returns a cutter of the stretch that begins with low.
func NewCutter(low string) *Cutter { return &Cutter{buckets: []Bucket{{Low: low}}} }

// Add counts the next key, and copies it if it begins a bucket.
func (c *Cutter) Add(key []byte) {
	last := &c.buckets[len(c.buckets)-1]
	if last.Keys == BucketKeysMax/2 {
		c.buckets = append(c.buckets, Bucket{Low: string(key)})
		last = &c.buckets[len(c.buckets)-1]
	}
	last.Keys++
}

// Buckets returns the buckets of all keys so far.
func (c *Cutter) Buckets() []Bucket { return c.buckets }
