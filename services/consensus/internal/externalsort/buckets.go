package externalsort

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"os"
	"slices"
	"sort"
	"sync"
)

// BucketsConfig says how Buckets sort.
type BucketsConfig struct {
	// Dir is where the temporary file is, and Pattern what os.CreateTemp names it by.
	Dir, Pattern string
	// Bounds are keys in ascending order: a bucket ends before each, and the next one begins with it. The better they cut what will be added into
	// equal parts the better, but nothing depends on it.
	Bounds [][]byte
	// BucketBytes is how large a bucket may be to be sorted in memory. A larger one is sorted by a Sorter with runs of RunBytes.
	BucketBytes int64
	RunBytes    int
	// Keep says whether so many bytes more may stay in memory. What may not goes to the file: all, if it is nil.
	Keep func(bytes int) bool
}

// Buckets order records by key as a Sorter does, but distribute them first: whoever knows beforehand about which keys will come spares merging runs. Each
// record goes to the bucket of its key, of which there are as many as are filled side by side without effort; buckets are sorted one by one when they are
// walked, each in memory at once. Several goroutines may add at the same time, each with an Adder of its own. Close must end it.
//
// Records of equal keys stay in the order in which they were added, if that was by the same Adder.
type Buckets struct {
	cfg BucketsConfig
	// shared is how many bytes all bounds begin with, and heads are theirs behind that.
	shared int
	heads  []uint64
	// begins are what all keys of each bucket begin with, as those between two bounds do: that is not kept with each record.
	begins [][]byte

	mu struct {
		sync.Mutex
		buckets []bucket
		// slab is memory that chunks are cut from, slabs is all of it.
		slab  []byte
		slabs [][]byte
		// spare is memory of those who have walked parts, for the next ones.
		spare []*bucketMemory
		file  *os.File
		// end is where the file ends.
		end int64
	}
}

// bucket is what was added of it, in chunks.
type bucket struct {
	chunks []chunk
	size   int64
}

// chunk are records one after another, in memory or in the file.
type chunk struct {
	kept []byte
	// starts are where the kept ones begin: who goes from one to the next waits for memory each time.
	starts       []uint32
	offset, size int64
}

const (
	// chunkBytes is how much an Adder gathers of a bucket. A record that is longer is a chunk of its own.
	chunkBytes = 32 << 10
	startBytes = 4
	// slabBytesMin and slabBytesMax are how much memory is taken at a time.
	slabBytesMin, slabBytesMax = 1 << 20, 16 << 20
)

// NewBuckets returns empty Buckets.
func NewBuckets(cfg BucketsConfig) *Buckets {
	b := &Buckets{cfg: cfg, begins: make([][]byte, len(cfg.Bounds)+1)}
	b.mu.buckets = make([]bucket, len(cfg.Bounds)+1)
	if len(cfg.Bounds) == 0 {
		return b
	}
	for i, bound := range cfg.Bounds[1:] {
		b.begins[i+1] = bound[:commonBytes(cfg.Bounds[i], bound)]
	}
	b.shared = commonBytes(cfg.Bounds[0], cfg.Bounds[len(cfg.Bounds)-1])
	for _, bound := range cfg.Bounds {
		b.heads = append(b.heads, head(bound[b.shared:]))
	}
	return b
}

// bucket is the one to which a key belongs: how many bounds are not above it.
func (b *Buckets) bucket(key []byte) int {
	bounds := b.cfg.Bounds
	if len(bounds) == 0 {
		return 0
	}
	from := 0
	if bytes.HasPrefix(key, bounds[0][:b.shared]) {
		h := head(key[b.shared:])
		for n := len(b.heads); n > 0; { // without a branch that depends on what is found
			half := (n + 1) / 2
			_, below := bits.Sub64(b.heads[from+half-1], h, 0)
			from += half & -int(below)
			n -= half
		}
		if from == len(bounds) || b.heads[from] != h {
			return from
		}
	}
	return from + sort.Search(len(bounds)-from, func(i int) bool { return bytes.Compare(bounds[from+i], key) > 0 })
}

// Adder adds records to Buckets. It is for one goroutine, and End must end it.
type Adder struct {
	b *Buckets
	// open are the chunks that are filled, one for each bucket.
	open []openChunk
}

// openChunk are records, and where each begins.
type openChunk struct {
	records []byte
	starts  []uint32
}

// Adder returns one more.
func (b *Buckets) Adder() *Adder { return &Adder{b: b, open: make([]openChunk, len(b.mu.buckets))} }

// Add takes one record; appendValue appends the value, of valueMost bytes at most, to what it is given.
func (a *Adder) Add(key []byte, valueMost int, appendValue func([]byte) []byte) error {
	i := a.b.bucket(key)
	key = key[len(a.b.begins[i]):]
	to := &a.open[i]
	if most := headerBytes + len(key) + valueMost; cap(to.records)-len(to.records) < most {
		if err := a.b.take(i, to, most); err != nil {
			return err
		}
	}
	start := len(to.records)
	valueStart := start + headerBytes + len(key)
	c := to.records[:valueStart]
	binary.LittleEndian.PutUint32(c[start:], uint32(len(key)))
	copy(c[start+headerBytes:], key)
	c = appendValue(c)
	binary.LittleEndian.PutUint32(c[start+4:], uint32(len(c)-valueStart))
	to.records, to.starts = c, append(to.starts, uint32(start))
	return nil
}

// End hands over what was added last.
func (a *Adder) End() error {
	for i := range a.open {
		if err := a.b.take(i, &a.open[i], 0); err != nil {
			return err
		}
	}
	a.open = nil
	return nil
}

// take takes what was added of a bucket, and empties it, with room for so many bytes, unless that is 0.
func (b *Buckets) take(i int, full *openChunk, room int) error {
	if len(full.records) > 0 {
		if err := b.keepOrWrite(i, full); err != nil {
			return fmt.Errorf("sort: %w", err)
		}
	}
	full.starts = full.starts[:0]
	if size := max(room, chunkBytes); room > 0 && cap(full.records) != size {
		full.records = b.memory(size)
	}
	return nil
}

func (b *Buckets) keepOrWrite(i int, full *openChunk) (err error) {
	c := chunk{size: int64(len(full.records))}
	kept := b.cfg.Keep != nil && b.cfg.Keep(len(full.records)+startBytes*len(full.starts))
	if kept {
		c.kept, c.starts = full.records, slices.Clone(full.starts)
	}
	b.mu.Lock()
	if !kept {
		if b.mu.file == nil {
			b.mu.file, err = os.CreateTemp(b.cfg.Dir, b.cfg.Pattern)
		}
		c.offset = b.mu.end
		b.mu.end += c.size
	}
	to := &b.mu.buckets[i]
	to.chunks = append(to.chunks, c)
	to.size += c.size
	f := b.mu.file
	b.mu.Unlock()
	switch {
	case err != nil:
		return err
	case kept:
		full.records = nil
		return nil
	}
	_, err = f.WriteAt(full.records, c.offset)
	full.records = full.records[:0]
	return err
}

// memory is empty. It comes from larger pieces: those are in pages that cost less.
func (b *Buckets) memory(n int) []byte {
	if n > slabBytesMin {
		return make([]byte, 0, n)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if cap(b.mu.slab)-len(b.mu.slab) < n {
		b.mu.slab = takeSlab(min(max(2*cap(b.mu.slab), slabBytesMin), slabBytesMax))[:0]
		b.mu.slabs = append(b.mu.slabs, b.mu.slab[:cap(b.mu.slab)])
	}
	at := len(b.mu.slab)
	b.mu.slab = b.mu.slab[:at+n]
	return b.mu.slab[at : at : at+n]
}

// Close removes the temporary file, and lets go of memory. A second Close does nothing. No Adder may be at work.
func (b *Buckets) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, slab := range b.mu.slabs {
		giveSlab(slab)
	}
	b.mu.buckets, b.mu.slab, b.mu.slabs, b.mu.spare = make([]bucket, len(b.cfg.Bounds)+1), nil, nil, nil
	if b.mu.file == nil {
		return nil
	}
	f := b.mu.file
	b.mu.file = nil
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// BucketsPart is a stretch of all that was added to Buckets.
type BucketsPart struct {
	b        *Buckets
	from, to int
}

// Parts cuts all that was added into parts, of some buckets each, which so many goroutines may walk at the same time. Each takes the next one when it has
// done with one: parts become smaller to the end, so that all have about as long to go. All Adders have ended, and no others are made.
func (b *Buckets) Parts(walkers int) []BucketsPart {
	left := int64(0)
	for _, of := range b.mu.buckets {
		left += of.size
	}
	parts, taken := []BucketsPart{{b: b}}, int64(0)
	for i, of := range b.mu.buckets {
		if taken > 0 && taken >= left/int64(2*walkers) {
			left -= taken
			parts, taken = append(parts, BucketsPart{b: b, from: i}), 0
		}
		parts[len(parts)-1].to = i + 1
		taken += of.size
	}
	return parts
}

// From is the bound that the part begins with, nil for the first one.
func (p BucketsPart) From() []byte {
	if p.from == 0 {
		return nil
	}
	return p.b.cfg.Bounds[p.from-1]
}

// Each calls fn with the part's records in the order of keys. fn may not keep the slices.
func (p BucketsPart) Each(fn func(key, value []byte) error) error {
	m := p.b.takeSpare()
	defer p.b.giveSpare(m)
	for i, of := range p.b.mu.buckets[p.from:p.to] {
		begin := p.b.begins[p.from+i]
		m.key = append(m.key[:0], begin...)
		take := func(key, value []byte) error {
			m.key = append(m.key[:len(begin)], key...)
			return fn(m.key, value)
		}
		var err error
		if of.size > p.b.cfg.BucketBytes {
			err = p.b.eachInRuns(&of, m, take)
		} else {
			err = p.b.eachInMemory(&of, m, take)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// touchedAhead is how many records are looked at before it is their turn. They lie anywhere in the bucket: looked at one after another without a use for what
// is there they come to the processor side by side, instead of each when it is waited for.
const touchedAhead = 16

func (g *gathered) touch(at []place) {
	for _, p := range at {
		b := g.blocks[p.block][p.start:]
		g.touched += b[0] + b[min(cacheLineBytes, len(b)-1)]
	}
}

const cacheLineBytes = 64

// bucketMemory is used for one bucket after another.
type bucketMemory struct {
	read, key []byte
	gathered  gathered
}

func (b *Buckets) takeSpare() *bucketMemory {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.mu.spare) == 0 {
		return &bucketMemory{}
	}
	m := b.mu.spare[len(b.mu.spare)-1]
	b.mu.spare = b.mu.spare[:len(b.mu.spare)-1]
	return m
}

func (b *Buckets) giveSpare(m *bucketMemory) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.mu.spare = append(b.mu.spare, m)
}

func (b *Buckets) eachInMemory(of *bucket, m *bucketMemory, fn func(key, value []byte) error) error {
	missing := int64(0)
	for _, c := range of.chunks {
		if c.kept == nil {
			missing += c.size
		}
	}
	m.read = slices.Grow(m.read[:0], int(missing))
	g := &m.gathered
	g.blocks, g.at = g.blocks[:0], g.at[:0]
	for _, c := range of.chunks {
		if c.kept != nil {
			g.addStarts(c.kept, c.starts)
			continue
		}
		m.read = m.read[:len(m.read)+int(c.size)]
		memory := m.read[len(m.read)-int(c.size):]
		if err := b.read(memory, c.offset); err != nil {
			return err
		}
		g.add(memory)
	}
	g.sort()
	for i, p := range g.at {
		if i%touchedAhead == 0 {
			g.touch(g.at[i:min(i+touchedAhead, len(g.at))])
		}
		key, value, _ := g.record(p)
		if err := fn(key, value); err != nil {
			return err
		}
	}
	return nil
}

// eachInRuns walks a bucket that is too large for memory.
func (b *Buckets) eachInRuns(of *bucket, m *bucketMemory, fn func(key, value []byte) error) (err error) {
	s := New(Config{Dir: b.cfg.Dir, Pattern: b.cfg.Pattern, RunBytes: b.cfg.RunBytes})
	defer func() { err = errors.Join(err, s.Close()) }()
	for _, c := range of.chunks {
		memory := c.kept
		if memory == nil {
			m.read = slices.Grow(m.read[:0], int(c.size))
			memory = m.read[:c.size]
			if err := b.read(memory, c.offset); err != nil {
				return err
			}
		}
		for len(memory) > 0 {
			key, value, rest := splitRecord(memory)
			memory = rest
			if err := s.Add(key, func(dst []byte) ([]byte, error) { return append(dst, value...), nil }); err != nil {
				return err
			}
		}
	}
	return s.Each(fn)
}

func (b *Buckets) read(to []byte, offset int64) error {
	if _, err := b.mu.file.ReadAt(to, offset); err != nil {
		return fmt.Errorf("sort: %w", err)
	}
	return nil
}
