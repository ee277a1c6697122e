package mvcc

import (
	"errors"

	"github.com/cespare/xxhash/v2"
	"github.com/cockroachdb/pebble/v2"
)

// fresh knows which keys may have versions that are in memory only. All others are looked up on disk alone, where filters
// tell that a key is new without a search: in a memtable of a hundred thousand rows each search is some twenty cache
// misses, which cost more than all the rest of a put.
//
// Keys are remembered in generations. One is forgotten when the disk has all that was committed while it was the youngest:
// flushes write commits in their order, and the position that each carries says how far they have come.
type fresh struct {
	// generations, oldest first.
	generations []*generation
	// flushes is how many flushes there had been when the disk's position was last looked at.
	flushes uint64
}

// generation is a filter of the keys that were committed up to a revision.
type generation struct {
	bits     []uint64
	keys     int
	revision int64
}

const (
	// generationKeysMax is how many keys a generation holds; two of them hold what a memtable does of the usual size.
	generationKeysMax = 1 << 16
	// generationsUnsettledMax is how many generations may gather until a commit looks whether the disk has the oldest.
	generationsUnsettledMax = 3
	// generationBits makes one key in four hundred look fresh in vain, with generationProbes of them set for each.
	generationBits   = 16 * generationKeysMax
	generationProbes = 4
)

// add remembers a key that was committed at a revision.
func (f *fresh) add(key []byte, revision int64) {
	n := len(f.generations)
	if n == 0 || f.generations[n-1].keys == generationKeysMax {
		f.generations = append(f.generations, &generation{bits: make([]uint64, generationBits/64)})
		n++
	}
	g := f.generations[n-1]
	g.keys++
	g.revision = revision
	h := xxhash.Sum64(key)
	for range generationProbes {
		g.bits[h%generationBits/64] |= 1 << (h % 64)
		h = h>>16 | h<<48
	}
}

// has tells whether a key may have versions that are in memory only.
func (f *fresh) has(key []byte) bool {
	h := xxhash.Sum64(key)
	for _, g := range f.generations {
		if g.has(h) {
			return true
		}
	}
	return false
}

func (g *generation) has(h uint64) bool {
	for range generationProbes {
		if g.bits[h%generationBits/64]&(1<<(h%64)) == 0 {
			return false
		}
		h = h>>16 | h<<48
	}
	return true
}

// settle forgets what is on disk, as an iterator sees it that reads nothing else. flushes is how many flushes there were
// before the iterator was made.
func (f *fresh) settle(durable *pebble.Iterator, flushes uint64) error {
	if flushes == f.flushes || len(f.generations) == 0 {
		return nil
	}
	f.flushes = flushes
	p, err := positionOn(durable)
	if err != nil {
		return err
	}
	for len(f.generations) > 0 && f.generations[0].revision <= p.revision {
		f.generations = f.generations[1:]
	}
	if n := len(f.generations); n > 0 && f.generations[n-1].keys > 0 {
		// What comes from here on is for a later flush.
		f.generations = append(f.generations, &generation{bits: make([]uint64, generationBits/64)})
	}
	return nil
}

// positionOn reads the position that an iterator sees, the zero value if there is none.
func positionOn(it *pebble.Iterator) (p position, err error) {
	if it.SeekPrefixGE(appendMetaKey(nil, metaPosition)) {
		var b []byte
		if b, err = it.ValueAndErr(); err == nil {
			err = decodePosition(b, &p)
		}
	}
	return p, errors.Join(err, it.Error())
}
