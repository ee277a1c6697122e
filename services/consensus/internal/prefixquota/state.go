package prefixquota

import (
	"fmt"
	"sort"
	"strings"
	"sync"
	"sync/atomic"

	"google.golang.org/protobuf/proto"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// quotasMax bounds how many quotas there are: each is in memory and in the metrics of every member.
const quotasMax = 1000

// Use is of the current versions of keys.
type Use struct {
	// Keys is their number, Bytes that of their bytes and their values'. In a change they may be below zero.
	Keys, Bytes int64
}

func (u Use) plus(other Use) Use { return Use{u.Keys + other.Keys, u.Bytes + other.Bytes} }

// State is the quotas at one moment. Which there are is immutable: a change makes another state, which shares what is in use with the one
// before. Its methods may be called concurrently, but for what says otherwise.
type State struct {
	// entries are ordered by prefix.
	entries  []entry
	counting int
	// replaced is closed once there is another state.
	replaced chan struct{}
	once     *sync.Once
}

// entry is a quota among others.
type entry struct {
	*quota
	// parent is the index of the longest other prefix that this prefix begins with, -1 for none.
	parent int
}

// quota is one quota. It is immutable, but for its meter.
type quota struct {
	spec   *consensusv1.PrefixQuota
	prefix string
	meter  *meter
}

// meter says how much of a quota is in use, or while that is counted, what has changed since.
type meter struct {
	// now is after the commands so far, stored what its record says. Both are the applying goroutine's.
	now, stored Use
	// shown is what is committed.
	shown atomic.Pointer[Use]
	// refused counts commands.
	refused atomic.Uint64
}

func newMeter(of Use) *meter {
	m := &meter{now: of, stored: of}
	m.shown.Store(&of)
	return m
}

// Empty returns the state of a store without quotas.
func Empty() *State { return newState(nil) }

// newState makes a state of quotas that are ordered by prefix.
func newState(quotas []*quota) *State {
	s := &State{entries: make([]entry, len(quotas)), replaced: make(chan struct{}), once: new(sync.Once)}
	for i, q := range quotas {
		parent := i - 1
		for parent >= 0 && !strings.HasPrefix(q.prefix, s.entries[parent].prefix) {
			parent = s.entries[parent].parent
		}
		s.entries[i] = entry{q, parent}
		if q.spec.GetCounting() {
			s.counting++
		}
	}
	return s
}

// Load makes a state of the records that commands have written; each calls its function with every record of the store, by name.
func Load(each func(fn func(name string, value []byte) error) error) (*State, error) {
	var quotas []*quota
	uses := make(map[string]Use)
	err := each(func(name string, value []byte) (err error) {
		if prefix, ok := strings.CutPrefix(name, recordSpec); ok {
			spec := new(consensusv1.PrefixQuota)
			err = proto.Unmarshal(value, spec)
			quotas = append(quotas, &quota{spec: spec, prefix: prefix})
		} else if prefix, ok := strings.CutPrefix(name, recordUse); ok {
			uses[prefix], err = decodeUse(value)
		}
		if err != nil {
			return fmt.Errorf("record %q: %w", name, err)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("load quotas: %w", err)
	}
	for _, q := range quotas {
		q.meter = newMeter(uses[q.prefix])
	}
	return newState(quotas), nil
}

// None tells whether there is no quota.
func (s *State) None() bool { return len(s.entries) == 0 }

// Replaced is closed once other quotas are committed, or other limits, or what one counts is known.
func (s *State) Replaced() <-chan struct{} { return s.replaced }

func (s *State) supersede() { s.once.Do(func() { close(s.replaced) }) }

// find returns where a prefix is, or would be.
func (s *State) find(prefix string) (int, bool) {
	i := sort.Search(len(s.entries), func(i int) bool { return s.entries[i].prefix >= prefix })
	return i, i < len(s.entries) && s.entries[i].prefix == prefix
}

// longest returns the index of the longest prefix that a key begins with, -1 for none; the others are its parents. Whatever lies between
// a prefix and a key that begins with it begins with it too, so the greatest prefix that is not above the key is that one, or one
// below it.
func (s *State) longest(key []byte) int {
	i := sort.Search(len(s.entries), func(i int) bool { return s.entries[i].prefix > string(key) }) - 1
	for i >= 0 && !beginsWith(key, s.entries[i].prefix) {
		i = s.entries[i].parent
	}
	return i
}

func beginsWith(key []byte, prefix string) bool {
	return len(key) >= len(prefix) && string(key[:len(prefix)]) == prefix
}

// IsCounting tells whether what the quota of a prefix has in use is still to be counted.
func (s *State) IsCounting(prefix []byte) bool {
	i, found := s.find(string(prefix))
	return found && s.entries[i].spec.GetCounting()
}

// Counting returns what is still to be counted: each prefix, and the revision as of which.
func (s *State) Counting() []*consensusv1.PrefixQuota {
	if s.counting == 0 {
		return nil
	}
	var counting []*consensusv1.PrefixQuota
	for _, e := range s.entries {
		if e.spec.GetCounting() {
			counting = append(counting, e.spec)
		}
	}
	return counting
}

// Standing is a quota as it is committed.
type Standing struct {
	*consensusv1.QuotaStatus
	// Refused is how many commands this member has seen refused for it.
	Refused uint64
}

// All returns the quotas as they are committed, ordered by prefix.
func (s *State) All() []Standing {
	all := make([]Standing, len(s.entries))
	for i, e := range s.entries {
		all[i] = Standing{e.status(*e.meter.shown.Load()), e.meter.refused.Load()}
	}
	return all
}

// status is the quota with so much in use.
func (q *quota) status(use Use) *consensusv1.QuotaStatus {
	status := &consensusv1.QuotaStatus{Quota: q.spec}
	if q.spec.GetCounting() {
		return status
	}
	limits := q.spec.GetLimits()
	status.Use = &consensusv1.QuotaUse{Keys: use.Keys, Bytes: use.Bytes}
	status.SoftExceeded = beyond(use.Keys, limits.GetSoftKeys()) || beyond(use.Bytes, limits.GetSoftBytes())
	status.HardExceeded = beyond(use.Keys, limits.GetHardKeys()) || beyond(use.Bytes, limits.GetHardBytes())
	return status
}

// beyond tells whether a limit, 0 for none, is passed.
func beyond(use, limit int64) bool { return limit > 0 && use > limit }
