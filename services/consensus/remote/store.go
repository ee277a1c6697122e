package remote

import (
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// store is which store the members belong to: another one at the same place, or the same one restored from an earlier state,
// answers with revisions that mean something else. It shows by the cluster's id, by a member that has come back with another
// data directory, which the members of one cluster would refuse, and by a confirmed revision below one that was confirmed before.
type store struct {
	mu           sync.Mutex
	cluster      uint64
	incarnations map[uint64]uint64 // by member, of those that were met serving
	replaced     chan struct{}     // closed, and made anew, when it is found to be another
	replacements int               // how often it was
	former       map[data]struct{} // the data of stores that this one took the place of
}

// data is a member's data directory.
type data struct{ member, incarnation uint64 }

// formerMax bounds what is remembered of stores that were replaced: ten of seven members.
const formerMax = 70

// Identity says which store is there, as far as is known, for others to compare with theirs: nil for not at all. It is the cluster's
// id, and each member that was met with its incarnation, eight bytes each.
func (c *Client) Identity() []byte {
	s := &c.store
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cluster == 0 {
		return nil
	}
	identity := binary.BigEndian.AppendUint64(nil, s.cluster)
	for _, member := range slices.Sorted(maps.Keys(s.incarnations)) {
		identity = binary.BigEndian.AppendUint64(identity, member)
		identity = binary.BigEndian.AppendUint64(identity, s.incarnations[member])
	}
	return identity
}

// Other tells whether an identity is certainly that of another store than the one that is there. Members that only one side has
// met say nothing.
func (c *Client) Other(identity []byte) bool {
	s := &c.store
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cluster == 0 || len(identity) < 8 {
		return false
	}
	if binary.BigEndian.Uint64(identity) != s.cluster {
		return true
	}
	for rest := identity[8:]; len(rest) >= 16; rest = rest[16:] {
		told := data{binary.BigEndian.Uint64(rest), binary.BigEndian.Uint64(rest[8:])}
		known := s.incarnations[told.member]
		_, gone := s.former[told]
		if gone || known != 0 && known != told.incarnation {
			return true
		}
	}
	return false
}

// meet takes in where a member stands. One without a leader may be one that its cluster refuses.
func (c *Client) meet(standing *consensusv1.Standing) {
	if standing.GetLeaderId() == 0 || standing.GetClusterId() == 0 || standing.GetIncarnation() == 0 {
		return
	}
	s := &c.store
	s.mu.Lock()
	defer s.mu.Unlock()
	was := s.incarnations[standing.GetMemberId()]
	switch {
	case s.cluster != 0 && s.cluster != standing.GetClusterId():
		c.leaveLocked()
		c.replacedLocked(fmt.Sprintf("the cluster's id was %x and is %x", s.cluster, standing.GetClusterId()))
	case was != 0 && was != standing.GetIncarnation():
		c.leaveLocked()
		c.replacedLocked(fmt.Sprintf("member %x has come back with another data directory", standing.GetMemberId()))
	}
	s.cluster = standing.GetClusterId()
	if s.incarnations == nil {
		s.incarnations = map[uint64]uint64{}
	}
	s.incarnations[standing.GetMemberId()] = standing.GetIncarnation()
	delete(s.former, data{standing.GetMemberId(), standing.GetIncarnation()})
}

// leaveLocked forgets the members' data, but to know it again from those who have not noticed yet that it is no longer there.
func (c *Client) leaveLocked() {
	s := &c.store
	if s.former == nil || len(s.former)+len(s.incarnations) > formerMax {
		s.former = map[data]struct{}{}
	}
	for member, incarnation := range s.incarnations {
		s.former[data{member, incarnation}] = struct{}{}
	}
	s.cluster, s.incarnations = 0, nil
}

func (c *Client) replacedLocked(why string) {
	c.log.Error("the store was replaced, or restored from an earlier state: what was known of it is forgotten, watches end, and leases are read anew", slog.String("because", why))
	c.seen.Store(0)
	s := &c.store
	close(s.replaced)
	s.replaced = make(chan struct{})
	s.replacements++
}

// FollowReplacements calls forget after the store turned out to be another than before, until ctx ends; it fails for no
// other reason. Of replacements that come while forget runs, it is called once more for all.
func (c *Client) FollowReplacements(ctx context.Context, forget func()) error {
	for followed := 0; ; {
		c.store.mu.Lock()
		replaced, replacements := c.store.replaced, c.store.replacements
		c.store.mu.Unlock()
		if followed != replacements {
			followed = replacements
			forget()
			continue
		}
		select {
		case <-replaced:
		case <-ctx.Done():
			return nil
		}
	}
}

// sees remembers the newest revision that an answer has shown.
func (c *Client) sees(revision int64) {
	for {
		seen := c.seen.Load()
		if revision <= seen || c.seen.CompareAndSwap(seen, revision) {
			return
		}
	}
}

// confirms takes in the revision of an answer that was confirmed by a quorum after seen was the newest. It cannot be older,
// unless the store went back.
func (c *Client) confirms(revision, seen int64) {
	s := &c.store
	s.mu.Lock()
	if revision > 0 && revision < seen && c.seen.Load() >= seen {
		c.replacedLocked(fmt.Sprintf("its revision was %d and is %d", seen, revision))
	}
	s.mu.Unlock()
	c.sees(revision)
}
