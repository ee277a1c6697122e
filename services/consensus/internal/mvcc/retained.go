package mvcc

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"slices"

	"github.com/cockroachdb/pebble/v2"
)

// retained calls fn with every version up to the revision that the compacted revision leaves: all newer ones, and of the
// older ones what was current then. A tombstone that is older than the compacted revision is not retained. What is hidden
// but not removed yet is passed over, so that members agree however far they are with that.
//
// Versions come by key, the newest first. The row is fn's until it returns.
func (v *view) retained(ctx context.Context, revision int64, fn func(*row) error) error {
	return v.retainedAbove(ctx, v.floor, revision, fn)
}

// retainedAbove is retained as if floor were the compacted revision.
func (v *view) retainedAbove(ctx context.Context, floor, revision int64, fn func(*row) error) error {
	lower, upper := spaceVersion.bounds()
	it, err := v.it.Clone(pebble.CloneOptions{IterOptions: &pebble.IterOptions{LowerBound: lower, UpperBound: upper}})
	if err != nil {
		return err
	}
	var (
		r       row
		settled []byte // the key whose version at the compacted revision has been seen
		checkIn = scanRowsPerCheck
	)
	return eachRow(it, func(_, _ []byte) error {
		if checkIn--; checkIn == 0 {
			if err := ctx.Err(); err != nil {
				return err
			}
			checkIn = scanRowsPerCheck
		}
		if err := readRow(it, &r); err != nil {
			return err
		}
		switch {
		case r.revision > revision:
			return nil
		case r.revision > floor:
			return fn(&r)
		case settled != nil && string(settled) == string(r.key):
			return nil
		}
		settled = append(settled[:0], r.key...)
		if r.tombstone && r.revision < floor {
			return nil
		}
		return fn(&r)
	})
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// HashKV hashes what was current at a revision, 0 for the newest: each key that was alive then, with its whole record.
// It returns with the hash the compacted and the hashed revision. Members that are equal have equal hashes at every
// revision that both can read, whatever each has compacted: a compaction changes no hash, as etcd's does not while it
// remembers the one it made before. Its refusals are Range's.
func (s *Store) HashKV(revision int64) (hash uint32, compacted, hashed int64, err error) {
	ctx := context.Background()
	v, err := s.view(ctx)
	if err != nil {
		return 0, 0, 0, err
	}
	defer func() { err = errors.Join(err, v.close()) }()
	if err := checkRevision(v, revision); err != nil {
		return 0, 0, 0, err
	}
	if revision <= 0 {
		revision = v.revision
	}
	var buf []byte
	err = v.retainedAbove(ctx, revision, revision, func(r *row) error {
		if r.tombstone {
			return nil
		}
		buf = appendVersionKey(buf[:0], r.key, r.revision)
		buf = appendRecord(buf, &r.record)
		hash = crc32.Update(hash, castagnoli, buf)
		return nil
	})
	return hash, v.floor, revision, err
}

// orderedBytesMax bounds what inOrder of versions holds in memory at a time.
const orderedBytesMax = 64 << 20

// version names a version, in the order of history.
type version struct {
	revision, sub int64
	key           []byte
}

const versionBytes = 40

func compareVersions(a, b version) int {
	return cmp.Or(cmp.Compare(a.revision, b.revision), cmp.Compare(a.sub, b.sub))
}

// inOrder calls fn with the retained versions in the order of revisions. Their rows are ordered by key, and the history
// that has the order does not reach below the compacted revision, so they are sorted here: as many at a time as budget
// allows, in as many passes over the rows as that takes.
func (v *view) inOrder(ctx context.Context, budget int, fn func(*row) error) error {
	after := version{revision: -1}
	for {
		p := orderPass{after: after, limit: version{revision: math.MaxInt64}, budget: budget}
		if err := v.retained(ctx, v.revision, p.take); err != nil {
			return err
		}
		slices.SortFunc(p.versions, compareVersions)
		for i := range p.versions {
			if err := v.emit(&p.versions[i], fn); err != nil {
				return err
			}
		}
		if !p.dropped {
			return nil
		}
		after = p.versions[len(p.versions)-1]
	}
}

func (v *view) emit(ver *version, fn func(*row) error) error {
	var r row
	if _, err := v.get(ver.key, ver.revision, &r); err != nil {
		return err
	}
	if r.revision != ver.revision {
		return fmt.Errorf("version of %q at revision %d is gone: %w", ver.key, ver.revision, errBadRecord)
	}
	return fn(&r)
}

// orderPass collects the first versions that come behind one that is done.
type orderPass struct {
	// after and limit bound what is of interest, exclusively and inclusively.
	after, limit version
	budget       int
	versions     []version
	size         int
	dropped      bool
	slab         slab
}

func (p *orderPass) take(r *row) error {
	ver := version{revision: r.revision, sub: r.sub}
	if compareVersions(ver, p.after) <= 0 || compareVersions(ver, p.limit) > 0 {
		return nil
	}
	ver.key = p.slab.copy(r.key)
	p.versions = append(p.versions, ver)
	if p.size += versionBytes + len(r.key); p.size > p.budget && len(p.versions) > 1 {
		p.halve()
	}
	return nil
}

// halve keeps the earlier half for this pass.
func (p *orderPass) halve() {
	slices.SortFunc(p.versions, compareVersions)
	kept := slices.Clone(p.versions[:len(p.versions)/2])
	p.limit, p.dropped = kept[len(kept)-1], true
	// The keys move to a slab of their own, or the dropped half would stay in memory with them.
	p.slab, p.size = slab{}, 0
	for i := range kept {
		kept[i].key = p.slab.copy(kept[i].key)
		p.size += versionBytes + len(kept[i].key)
	}
	p.versions = kept
}
