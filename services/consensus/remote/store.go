package remote

import (
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

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

	// seen is the newest revision that any answer has shown, and index the newest index of raft.
	seen  atomic.Int64
	index atomic.Uint64
	// told is the newest revision that anybody has told a client of, lease and watch nodes too. One that has not noticed yet that the
	// store was replaced may have told it: reads wait for it, but nothing is concluded from it.
	told atomic.Int64
	log  *slog.Logger
}

func newStore(log *slog.Logger) *store { return &store{replaced: make(chan struct{}), log: log} }

// data is a member's data directory.
type data struct{ member, incarnation uint64 }

// formerMax bounds what is remembered of stores that were replaced: ten of seven members.
const formerMax = 70

// identity is what the client's Identity is.
func (s *store) identity() []byte {
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

// other tells what the client's Other does.
func (s *store) other(identity []byte) bool {
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
func (s *store) meet(standing *consensusv1.Standing) {
	if standing.GetLeaderId() == 0 || standing.GetClusterId() == 0 || standing.GetIncarnation() == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	was := s.incarnations[standing.GetMemberId()]
	switch {
	case s.cluster != 0 && s.cluster != standing.GetClusterId():
		s.leaveLocked()
		s.replacedLocked(fmt.Sprintf("the cluster's id was %x and is %x", s.cluster, standing.GetClusterId()))
	case was != 0 && was != standing.GetIncarnation():
		s.leaveLocked()
		s.replacedLocked(fmt.Sprintf("member %x has come back with another data directory", standing.GetMemberId()))
	}
	s.cluster = standing.GetClusterId()
	if s.incarnations == nil {
		s.incarnations = map[uint64]uint64{}
	}
	s.incarnations[standing.GetMemberId()] = standing.GetIncarnation()
	delete(s.former, data{standing.GetMemberId(), standing.GetIncarnation()})
}

// leaveLocked forgets the members' data, but to know it again from those who have not noticed yet that it is no longer there.
func (s *store) leaveLocked() {
	if s.former == nil || len(s.former)+len(s.incarnations) > formerMax {
		s.former = map[data]struct{}{}
	}
	for member, incarnation := range s.incarnations {
		s.former[data{member, incarnation}] = struct{}{}
	}
	s.cluster, s.incarnations = 0, nil
}

func (s *store) replacedLocked(why string) {
	s.log.Error("the store was replaced, or restored from an earlier state: what was known of it is forgotten, watches end, and leases are read anew", slog.String("because", why))
	s.seen.Store(0)
	s.told.Store(0)
	s.index.Store(0)
	close(s.replaced)
	s.replaced = make(chan struct{})
	s.replacements++
}

// followReplacements is the client's FollowReplacements.
func (s *store) followReplacements(ctx context.Context, forget func()) error {
	for followed := 0; ; {
		s.mu.Lock()
		replaced, replacements := s.replaced, s.replacements
		s.mu.Unlock()
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
func (s *store) sees(revision int64) { raise(&s.seen, revision) }

// tells remembers the newest revision that a client is told of.
func (s *store) tells(revision int64) { raise(&s.told, revision) }

func raise(newest *atomic.Int64, revision int64) {
	for {
		known := newest.Load()
		if revision <= known || newest.CompareAndSwap(known, revision) {
			return
		}
	}
}

// newest is what no client of this one may be shown less than.
func (s *store) newest() int64 { return max(s.seen.Load(), s.told.Load()) }

// seesIndex remembers the newest index of raft that an answer has shown: of what leaves the revision as it is.
func (s *store) seesIndex(index uint64) {
	for {
		seen := s.index.Load()
		if index <= seen || s.index.CompareAndSwap(seen, index) {
			return
		}
	}
}

// shown is for who is asked how a member is.
func (s *store) shown() *consensusv1.Seen {
	return &consensusv1.Seen{Revision: s.newest(), RaftIndex: s.index.Load()}
}

// known is what seen and told were before a call.
type known struct{ seen, told int64 }

func (s *store) known() known { return known{s.seen.Load(), s.told.Load()} }

// confirms takes in the revision of an answer that was confirmed by a quorum after before was known. It cannot be older than seen,
// unless the store went back, nor than told, unless that was of another store.
func (s *store) confirms(revision int64, before known) {
	s.mu.Lock()
	if revision > 0 && revision < before.seen && s.seen.Load() >= before.seen {
		s.replacedLocked(fmt.Sprintf("its revision was %d and is %d", before.seen, revision))
	}
	if revision > 0 && revision < before.told {
		s.told.Store(0)
	}
	s.mu.Unlock()
	s.sees(revision)
}
