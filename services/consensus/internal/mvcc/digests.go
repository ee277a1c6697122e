package mvcc

import (
	"slices"
	"sync"

	"github.com/cockroachdb/pebble/v2"
)

// digestsKept is how many of them are at hand for members that are behind: more than a member falls behind between two
// comparisons, some seconds.
const digestsKept = 256

// digests are those at the multiples of DigestInterval, ascending.
type digests struct {
	mu struct {
		sync.Mutex
		kept []Digest
	}
}

func (d *digests) add(fresh []Digest) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.mu.kept = append(d.mu.kept, fresh...)
	if n := len(d.mu.kept) - digestsKept; n > 0 {
		d.mu.kept = slices.Delete(d.mu.kept, 0, n)
	}
}

// DigestKnown tells whether the state's digest is known, or only begins with the next Verify.
func (s *Store) DigestKnown() bool { return withBase(s, s.state.Load().position).known }

// Digests returns the newest digests at multiples of DigestInterval, ascending by index, and last the one of now.
func (s *Store) Digests() []Digest {
	s.digests.mu.Lock()
	kept := slices.Clone(s.digests.mu.kept)
	s.digests.mu.Unlock()
	st := s.state.Load()
	now := withBase(s, st.position).digested()
	if now.Index%DigestInterval == 0 {
		now.History = 0 // it has begun anew already
	}
	if n := len(kept); n > 0 && kept[n-1].Index >= now.Index {
		return kept
	}
	return append(kept, now)
}

// digested makes the digest comparable.
func (p *position) digested() Digest {
	made := Digest{Index: p.index, Revision: p.revision}
	if p.known {
		h := fold(fold(fold(fold(seedState, p.sum), uint64(p.revision)), uint64(p.compacted)), p.epoch)
		made.State = max(1, finish(h))
	}
	if p.whole {
		made.History = max(1, finish(fold(seedHistory, p.chain)))
	}
	return made
}

// withBase completes a sum that only holds what changed, if a scan has found what it must be added to.
func withBase(s *Store, p position) *position {
	if base := s.base.Load(); base != nil && !p.known {
		p.sum, p.known = p.sum+*base, true
	}
	return &p
}

// beginDigest has what changes from now on counted from here if the digest is not known, and has the store say so:
// Verify goes by it.
func beginDigest(s *Store, p *position) error {
	if p.known {
		return nil
	}
	p.sum = 0
	return s.db.Set(appendMetaKey(nil, metaPosition), appendPosition(nil, p), pebble.NoSync)
}
